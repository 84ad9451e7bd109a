//! Arrays as text: `{1,2,NULL,"a b"}`.

/// One element: its text, or NULL.
pub(super) type Element = Option<String>;

/// The elements that `text` writes, of which an element that is an array itself is its text; `None` if it is no array.
pub(super) fn read(text: &str) -> Option<Vec<Element>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut elements = Vec::new();
    let mut chars = inner.chars().peekable();
    loop {
        elements.push(element(&mut chars)?);
        match chars.next() {
            None => return Some(elements),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn element(chars: &mut Chars<'_>) -> Option<Element> {
    while chars.next_if(|char| char.is_whitespace()).is_some() {}
    let text = match chars.peek()? {
        '"' => {
            chars.next();
            let text = quoted(chars)?;
            while chars.next_if(|char| char.is_whitespace()).is_some() {}
            return Some(Some(text));
        }
        '{' => nested(chars)?,
        _ => plain(chars)?,
    };
    let text = text.trim();
    match text {
        "" => None,
        null if null.eq_ignore_ascii_case("null") => Some(None),
        text => Some(Some(text.to_owned())),
    }
}

fn quoted(chars: &mut Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            char => text.push(char),
        }
    }
}

fn plain(chars: &mut Chars<'_>) -> Option<String> {
    let mut text = String::new();
    while let Some(char) = chars.next_if(|char| *char != ',') {
        match char {
            '{' | '}' | '"' => return None,
            '\\' => text.push(chars.next()?),
            char => text.push(char),
        }
    }
    Some(text)
}

/// An array within, as it is written.
fn nested(chars: &mut Chars<'_>) -> Option<String> {
    let (mut text, mut depth, mut in_quotes) = (String::new(), 0_usize, false);
    loop {
        let char = chars.next()?;
        text.push(char);
        match char {
            '\\' => text.push(chars.next()?),
            '"' => in_quotes = !in_quotes,
            '{' if !in_quotes => depth += 1,
            '}' if !in_quotes => {
                depth -= 1;
                if depth == 0 {
                    return Some(text);
                }
            }
            _ => {}
        }
    }
}

/// The text of an array of `elements`; `nested`: they are arrays themselves.
pub(super) fn write(elements: impl Iterator<Item = Element>, nested: bool) -> String {
    let elements: Vec<String> = elements
        .map(|element| match element {
            None => "NULL".to_owned(),
            Some(text) if nested || !needs_quotes(&text) => text,
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        })
        .collect();
    format!("{{{}}}", elements.join(","))
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.chars().any(|char| char.is_whitespace() || matches!(char, '{' | '}' | ',' | '"' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_read_as_it_is_written() {
        let texts =
            |elements: &[Option<&str>]| Some(elements.iter().map(|element| element.map(str::to_owned)).collect::<Vec<_>>());
        for (text, wanted) in [
            ("{}", texts(&[])),
            ("{1,2,NULL}", texts(&[Some("1"), Some("2"), None])),
            ("{a,\"b c\",\"NULL\",\"\"}", texts(&[Some("a"), Some("b c"), Some("NULL"), Some("")])),
            ("{\"a\\\"b\",\"c\\\\d\"}", texts(&[Some("a\"b"), Some("c\\d")])),
            ("{{1,2},{3}}", texts(&[Some("{1,2}"), Some("{3}")])),
            ("{a,}", None),
            ("{,a}", None),
            ("1,2", None),
            ("{\"a}", None),
            ("{a\"b}", None),
        ] {
            assert_eq!(read(text), wanted, "{text}");
            if let Some(elements) = wanted {
                assert_eq!(read(&write(elements.clone().into_iter(), text.starts_with("{{"))), Some(elements), "{text}");
            }
        }
    }
}
