//! Rewrites of the plan, one a file: first window markers become nodes, then groups by a window become one node;
//! where somebody gets the late rows, windows keep all their columns. What cannot run, or could never give a value, is refused here.

mod aggregate_order;
mod asof_tolerance;
mod assign_windows;
mod check_constant_arguments;
mod clock;
mod distinct_on;
mod fence_aggregates;
mod fill_windows;
mod forget_keys;
mod group_by_window;
mod group_keys_once;
mod joins_by_time;
mod keep_late_columns;
mod lookup_tables;
mod null_safe_joins;
mod recursion;
mod refusals;
mod set_operations;

pub(crate) use aggregate_order::refuse_ambiguous_orders;
pub(crate) use assign_windows::assign_windows;
pub(crate) use check_constant_arguments::check_constant_arguments;
pub(crate) use clock::{decides_partners, reads_clock, turns_more_than_once};
pub(crate) use distinct_on::{first_of_each, numbered};
pub(crate) use fence_aggregates::with_fences;
pub(crate) use fill_windows::fill_windows;
pub(in crate::plan) use forget_keys::with_true_keys;
pub(crate) use group_by_window::{GroupedByWindow, group_by_window};
pub(crate) use group_keys_once::group_keys_once;
pub(crate) use joins_by_time::{joins_by_time, refuse_lookups};
pub(crate) use keep_late_columns::keep_late_columns;
pub(crate) use lookup_tables::{LOOKUP_TABLE_ALONE, lookup_table_of, refuse_lookup_tables_alone};
pub(crate) use null_safe_joins::with_null_safe_joins;
pub(crate) use recursion::{recursions, refuse_lossy_terms};
pub(crate) use refusals::refuse_unstreamable;
pub(crate) use set_operations::expand_set_operations;
