//! Patterns of `SIMILAR TO` as regular expressions: the whole text has to match.

use laminar_core::{Code, Error, Result};

/// The regular expression that means the same. With two separators (escape and `"`) the part between them is a group.
pub(super) fn to_regex(pattern: &str, escape: Option<char>) -> Result<String> {
    let parts = parts(pattern, escape)?;
    Ok(match parts.as_slice() {
        [whole] => format!("^(?:{whole})$"),
        [before, middle, behind] => format!("^(?U:{before})({middle})(?:{behind})$"),
        [_, _] => return Err(invalid("there is one separator; there have to be none or two")),
        _ => return Err(invalid("there are more than two separators")),
    })
}

fn invalid(message: &str) -> Error {
    Error::new(Code::InvalidQuery, format!("the pattern of SIMILAR is invalid: {message}"))
}

fn parts(pattern: &str, escape: Option<char>) -> Result<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = pattern.chars().peekable();
    let mut in_brackets = false;
    while let Some(c) = chars.next() {
        let Some(text) = parts.last_mut() else { break };
        if Some(c) == escape {
            match chars.next() {
                Some('"') if !in_brackets => parts.push(String::new()),
                Some(literal) => push_literal(text, literal),
                None => return Err(invalid("it ends with the escape character")),
            }
            continue;
        }
        if in_brackets {
            in_brackets = c != ']';
            if c == '\\' {
                text.push_str("\\\\")
            } else {
                text.push(c)
            }
            continue;
        }
        match c {
            '[' => {
                in_brackets = true;
                text.push('[');
                // A bracket that stands first is itself.
                text.extend(chars.next_if_eq(&'^'));
                text.extend(chars.next_if_eq(&']'));
            }
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            '(' => text.push_str("(?:"),
            '.' | '^' | '$' | '\\' => push_literal(text, c),
            c => text.push(c),
        }
    }
    Ok(parts)
}

fn push_literal(text: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        text.push('\\');
    }
    text.push(c);
}
