//! Writes the implementation of `Row`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, FieldsNamed, LitStr, Result};

use crate::attributes::{column_name, crate_path};

/// The implementation for a struct, or an error at the place that cannot be a row.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named_fields(input)?;
    let core = crate_path(&input.attrs)?;
    let columns = column_names(fields)?;
    let (idents, types): (Vec<_>, Vec<_>) = fields.named.iter().map(|field| (&field.ident, &field.ty)).unzip();
    let field_names: Vec<String> = text_of(&idents);
    let (name, text) = (&input.ident, input.ident.to_string());
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #core::row::Row for #name #type_generics #where_clause {
            fn schema() -> #core::row::SchemaRef {
                #core::row::schema(::std::vec![#(#core::row::field::<#types>(#columns)),*])
            }

            fn to_batch(rows: &[Self]) -> #core::Result<#core::row::RecordBatch> {
                let columns = ::std::vec![#(#core::row::column::<#types>(rows.iter().map(|row| &row.#idents))),*];
                #core::row::batch(<Self as #core::row::Row>::schema(), columns, rows.len())
            }

            fn from_batch(batch: &#core::row::RecordBatch) -> #core::Result<::std::vec::Vec<Self>> {
                #(let mut #idents = #core::row::values::<#types>(batch, #columns, #text, #field_names)?;)*
                (0..batch.num_rows())
                    .map(|_| ::std::result::Result::Ok(Self { #(#idents: #idents.next_row()?),* }))
                    .collect()
            }
        }
    })
}

fn text_of(idents: &[&Option<syn::Ident>]) -> Vec<String> {
    idents.iter().map(|ident| ident.as_ref().map(ToString::to_string).unwrap_or_default()).collect()
}

fn named_fields(input: &DeriveInput) -> Result<&FieldsNamed> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields),
            _ => Err(syn::Error::new_spanned(&input.ident, "a row needs named fields: they are its columns")),
        },
        _ => Err(syn::Error::new_spanned(&input.ident, "only a struct can be a row")),
    }
}

fn column_names(fields: &FieldsNamed) -> Result<Vec<LitStr>> {
    let names: Vec<LitStr> = fields.named.iter().map(column_name).collect::<Result<_>>()?;
    for (index, name) in names.iter().enumerate() {
        if names[..index].iter().any(|earlier| earlier.value() == name.value()) {
            return Err(syn::Error::new(name.span(), format!("two fields are the column '{}'", name.value())));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let input = syn::parse_str(text).expect("Rust");
        let message = expand(&input).expect_err("refused").to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }

    #[test]
    fn what_cannot_be_a_row_is_refused_with_a_reason() {
        check("struct Pair(i64, i64);", "needs named fields");
        check("enum Side { Buy, Sell }", "only a struct can be a row");
        check("struct T { a: i64, #[row(name = \"a\")] b: i64 }", "two fields are the column 'a'");
        check("struct T { #[row(nam = \"a\")] b: i64 }", "a field takes #[row(name = \"column\")]");
        check("#[row(path = \"x\")] struct T { b: i64 }", "a row takes #[row(crate");
        check("struct T { #[row(name = 5)] b: i64 }", "expected string literal");
    }

    #[test]
    fn the_core_is_found_where_the_attribute_says() {
        let text = |text: &str| expand(&syn::parse_str(text).expect("Rust")).expect("a row").to_string().replace(' ', "");
        assert!(text("struct T { a: i64 }").contains("impl::laminar_core::row::RowforT"));
        assert!(text("#[row(crate = \"laminar_db::core\")] struct T { a: i64 }").contains("impllaminar_db::core::row::RowforT"));
    }
}
