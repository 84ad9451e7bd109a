//! From a parsed query to a logical plan whose every name is resolved: DataFusion for names, types and optimisation, our rules for
//! windows, our refusals for what cannot run.

mod catalog;
mod emission;
pub(crate) mod errors;
mod exclusion;
mod function_errors;
mod function_syntax;
mod grouping;
mod names;
pub(crate) mod nodes;
mod over;
mod plain_words;
mod planner;
mod query_config;
mod rules;
mod scalar_clauses;
mod shapes;
mod subqueries;
mod table_text;
mod types;
mod wildcard;

pub(crate) use catalog::RelationSource;
pub use catalog::{Catalog, LOOKUP_COLUMNS, Relation, RelationKind};
pub use emission::{Emission, Purpose};
pub(crate) use exclusion::{exclusion_of, exclusion_of_key};
pub(crate) use grouping::{GroupingId, numbered_sets};
pub use nodes::is_window_bound;
pub(crate) use over::windowed;
pub(crate) use planner::Reading;
pub use planner::{ContinuousPlan, PlanVersion, Planner};
pub(crate) use rules::{
    decides_partners, expand_set_operations, first_of_each, lookup_table_of, refuse_lookups, turns_more_than_once,
};
pub(crate) use shapes::display_names;
pub use table_text::create_table_text;
pub use types::{columns_to_schema, longest_text};
