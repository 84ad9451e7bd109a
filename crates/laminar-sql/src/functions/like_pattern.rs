//! `__like_pattern(pattern, escape)`: the pattern of `LIKE … ESCAPE` with the backslash as its escape character, which is the
//! one that LIKE itself knows.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, cast::AsArray};
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// The name under which the parser leaves a call.
pub(crate) const LIKE_PATTERN: &str = "__like_pattern";

/// Rewrites patterns.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct LikePattern {
    signature: Signature,
}

impl LikePattern {
    pub(crate) fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LikePattern {
    fn name(&self) -> &str {
        LIKE_PATTERN
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(names.join(" ESCAPE "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let (patterns, escapes) = (args.args[0].to_array(rows)?, args.args[1].to_array(rows)?);
        let pairs = patterns.as_string::<i32>().iter().zip(escapes.as_string::<i32>());
        let results = pairs.map(|(pattern, escape)| pattern.zip(escape).map(|(p, e)| with_backslash(p, e)).transpose());
        let results: ArrayRef = Arc::new(results.collect::<Result<StringArray>>()?);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&results, 0)?));
        }
        Ok(ColumnarValue::Array(results))
    }
}

/// The same pattern with `\` before what `escape` protects; an empty `escape` protects nothing.
fn with_backslash(pattern: &str, escape: &str) -> Result<String> {
    let mut characters = escape.chars();
    let escape = characters.next();
    if characters.next().is_some() {
        return exec_err!("the escape of LIKE must be empty or one character");
    }
    let mut rewritten = String::with_capacity(pattern.len() + 2);
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        let protected = if Some(c) == escape {
            match rest.next() {
                Some(next) => Some(next),
                None => return exec_err!("a LIKE pattern must not end with its escape character"),
            }
        } else {
            (c == '\\').then_some(c)
        };
        match protected {
            Some(c) => rewritten.extend(['\\', c]),
            None => rewritten.push(c),
        }
    }
    Ok(rewritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_character_escapes() {
        let check = |pattern, escape, expected: Option<&str>| {
            assert_eq!(with_backslash(pattern, escape).ok().as_deref(), expected, "{pattern} ESCAPE {escape}");
        };
        check("50!%", "!", Some("50\\%"));
        check("a!!b!_", "!", Some("a\\!b\\_"));
        check("a%%b", "%", Some("a\\%b"));
        check("a\\b", "!", Some("a\\\\b"));
        check("a\\%", "\\", Some("a\\%"));
        check("a\\%b_", "", Some("a\\\\%b_"));
        check("äü%", "ü", Some("ä\\%"));
        check("a!", "!", None);
        check("a", "!!", None);
    }
}
