//! `#[derive(Row)]`: makes a Rust struct a typed row.
//!
//! ```
//! use laminar_core::row::Row as _;
//! use laminar_core::time::EventTime;
//! use laminar_derive::Row;
//!
//! #[derive(Row)]
//! struct Trade {
//!     symbol: String,
//!     #[row(name = "trade_price")]
//!     price: Option<f64>,
//!     ts: EventTime,
//! }
//!
//! let trades = [Trade { symbol: "NVDA".into(), price: None, ts: EventTime(0) }];
//! let batch = Trade::to_batch(&trades)?;
//! assert_eq!(batch.schema().field(1).name(), "trade_price");
//! assert_eq!(Trade::from_batch(&batch)?[0].symbol, "NVDA");
//! # Ok::<(), laminar_core::Error>(())
//! ```
//!
//! A field whose type cannot be a column does not compile:
//!
//! ```compile_fail
//! #[derive(laminar_derive::Row)]
//! struct Wrong {
//!     shared: std::rc::Rc<i64>,
//! }
//! ```

mod attributes;
mod expand;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `laminar_core::row::Row` for a struct with named fields.
///
/// | attribute | on | means |
/// |---|---|---|
/// | `#[row(name = "…")]` | a field | the column's name; without it, the field's |
/// | `#[row(crate = "laminar_db::core")]` | the struct | where `laminar_core` is found by a crate that does not depend on it itself |
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
