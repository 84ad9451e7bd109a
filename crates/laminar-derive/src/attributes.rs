//! Reads `#[row(…)]`; what is not known is refused at its place.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Field, LitStr, Path, Result};

/// Where the generated code finds the core: `#[row(crate = "…")]` of the struct.
pub(crate) fn crate_path(attributes: &[Attribute]) -> Result<Path> {
    let mut path = syn::parse_str("::laminar_core")?;
    each(attributes, |meta| {
        if !meta.path.is_ident("crate") {
            return Err(meta.error("a row takes #[row(crate = \"path::to::laminar_core\")]"));
        }
        path = meta.value()?.parse::<LitStr>()?.parse()?;
        Ok(())
    })?;
    Ok(path)
}

/// The name of a field's column, and where it was written: `#[row(name = "…")]`, else the field's own name.
pub(crate) fn column_name(field: &Field) -> Result<LitStr> {
    let mut name = None;
    each(&field.attrs, |meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("a field takes #[row(name = \"column\")]"));
        }
        name = Some(meta.value()?.parse::<LitStr>()?);
        Ok(())
    })?;
    let own = || field.ident.as_ref().map(|ident| LitStr::new(&unraw(&ident.to_string()), ident.span()));
    name.or_else(own).ok_or_else(|| syn::Error::new_spanned(field, "a field of a row has a name"))
}

/// `r#type` is the column `type`.
fn unraw(ident: &str) -> String {
    ident.strip_prefix("r#").unwrap_or(ident).to_owned()
}

fn each(attributes: &[Attribute], mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("row")).try_for_each(|a| a.parse_nested_meta(&mut read))
}
