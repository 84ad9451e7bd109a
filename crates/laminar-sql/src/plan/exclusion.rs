//! What the frame of a call with OVER excludes: it stands among the keys of its PARTITION BY (`parse/exclude.rs`).

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use laminar_core::dag::Exclude;

use crate::parse::exclusion_of_text;

/// What a key of PARTITION BY excludes, if it is there for that.
pub(crate) fn exclusion_of_key(key: &Expr) -> Option<Exclude> {
    match key {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)), _) => exclusion_of_text(text),
        Expr::Literal(ScalarValue::Utf8View(Some(text)), _) => exclusion_of_text(text),
        Expr::Alias(alias) => exclusion_of_key(&alias.expr),
        Expr::Cast(cast) => exclusion_of_key(&cast.expr),
        _ => None,
    }
}

/// What a frame excludes, of which these are the keys of PARTITION BY.
pub(crate) fn exclusion_of(partition_by: &[Expr]) -> Exclude {
    partition_by.iter().find_map(exclusion_of_key).unwrap_or_default()
}
