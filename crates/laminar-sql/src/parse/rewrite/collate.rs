//! `x COLLATE "C"`: x, since texts are compared so.

use datafusion::sql::sqlparser::ast::Expr;
use laminar_core::Result;

use crate::parse::collation::expect_bytewise;
use crate::parse::syntax;

/// Takes COLLATE off, if it says how texts are compared anyway.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Collate { expr: collated, collation } = expr else { return Ok(()) };
    let name = collation.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.as_str());
    expect_bytewise(name.unwrap_or_default())?;
    *expr = std::mem::replace(collated.as_mut(), syntax::null());
    Ok(())
}
