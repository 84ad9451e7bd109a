//! The rows of TPC-H at a small scale, as SQL says them.

use std::fmt::Display;

use tpchgen::distribution::Distributions;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator, RegionGenerator,
    SupplierGenerator,
};
use tpchgen::text::TextPool;

/// How large the texts are from which comments are cut; that of the benchmark takes 300 MB.
const TEXT_BYTES: i32 = 1 << 20;

/// Rows of one table: what stands between the parentheses of VALUES, each.
type Rows = Vec<String>;

/// All rows.
pub(super) struct Data {
    /// The tables that stay as they are, by name.
    pub(super) fixed: Vec<(&'static str, Rows)>,
    /// Each order with its key and its line items.
    pub(super) orders: Vec<Order>,
}

/// An order.
pub(super) struct Order {
    pub(super) key: i64,
    pub(super) row: String,
    pub(super) items: Rows,
}

impl Data {
    pub(super) fn generate(scale: f64) -> Self {
        let names = Distributions::static_default();
        let texts = TextPool::new(TEXT_BYTES, names);
        macro_rules! rows {
            ($generator:ident) => {
                $generator::new_with_distributions_and_text_pool(scale, 1, 1, names, &texts).iter()
            };
        }
        let fixed = vec![
            ("region", RegionGenerator::new_with_distributions_and_text_pool(names, &texts).iter().map(values).collect()),
            ("nation", NationGenerator::new_with_distributions_and_text_pool(names, &texts).iter().map(values).collect()),
            ("supplier", rows!(SupplierGenerator).map(values).collect()),
            ("part", rows!(PartGenerator).map(values).collect()),
            ("partsupp", PartSuppGenerator::new_with_text_pool(scale, 1, 1, &texts).iter().map(values).collect()),
            ("customer", rows!(CustomerGenerator).map(values).collect()),
        ];
        let mut items = rows!(LineItemGenerator).peekable();
        let orders = rows!(OrderGenerator).map(|order| {
            let key = order.o_orderkey;
            let own = std::iter::from_fn(|| items.next_if(|item| item.l_orderkey == key)).map(values).collect();
            Order { key, row: values(order), items: own }
        });
        Self { fixed, orders: orders.collect() }
    }
}

/// A row of the benchmark's files, with an end mark behind each field, as values; those of other types are cast by the table.
fn values(row: impl Display) -> String {
    let line = row.to_string();
    let fields = line.trim_end_matches('|').split('|');
    fields.map(|field| format!("'{}'", field.replace('\'', "''"))).collect::<Vec<_>>().join(", ")
}
