//! Measures functions. It trusts rustfmt: a function ends where a brace stands at the indentation of its first line.

/// A function with a body.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where it begins, from 1.
    pub(crate) line: usize,
    /// From its first line to its closing brace.
    pub(crate) lines: usize,
}

/// The functions of a file; those without a body (in traits) are left out.
pub(crate) fn measure(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    (0..lines.len()).filter_map(|start| function_at(&lines, start)).collect()
}

fn function_at(lines: &[&str], start: usize) -> Option<Function> {
    let name = name_in(lines[start])?;
    let signature = lines[start..].iter().position(|line| line.trim_end().ends_with(['{', ';', '}']))?;
    let opening = lines[start + signature].trim_end();
    let lines_in_all = match opening.as_bytes().last() {
        Some(b'{') => {
            let indent = &lines[start][..lines[start].len() - lines[start].trim_start().len()];
            let closing = format!("{indent}}}");
            lines[start..].iter().position(|line| *line == closing)? + 1
        }
        Some(b'}') => signature + 1,
        _ => return None,
    };
    Some(Function { name, line: start + 1, lines: lines_in_all })
}

/// The name, if the line begins a function.
fn name_in(line: &str) -> Option<String> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let words = before.split_whitespace();
    let all_qualifiers = words.into_iter().all(|word| {
        word.starts_with("pub")
            || word.starts_with('"')
            || ["const", "async", "unsafe", "extern", "default", "in"].contains(&word)
    });
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (all_qualifiers && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_with_their_lengths() {
        let text = "impl A {\n    pub(crate) const fn one(&self) -> u8 { 1 }\n\n    fn two(\n        a: u8,\n    ) -> u8 {\n        if a {\n        }\n    }\n    fn declared();\n}\nlet f = |fn_name| fn_name;\n";
        let found = measure(text);
        let seen: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(seen, [("one", 2, 1), ("two", 4, 6)]);
    }
}
