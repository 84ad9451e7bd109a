//! `mode() WITHIN GROUP (ORDER BY x)` and `percentile_disc(p) WITHIN GROUP (ORDER BY x)`: values that a sorted group holds.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, cast::AsArray, new_empty_array};
use arrow_ord::partition::partition;
use arrow_ord::sort::sort;
use arrow_schema::{DataType, Field, FieldRef, SortOptions};
use arrow_select::concat::concat;
use arrow_select::filter::filter;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

/// Which value of the sorted group is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pick {
    /// The most frequent one, the first of them in the order of the group.
    Mode,
    /// The first one at or behind a fraction of the group.
    PercentileDisc,
}

/// An ordered-set aggregate whose result is one of the values.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct OrderedSet {
    pick: Pick,
    signature: Signature,
}

impl OrderedSet {
    /// Both functions, to be registered.
    pub(crate) fn all() -> [AggregateUDF; 2] {
        [Pick::Mode, Pick::PercentileDisc].map(|pick| {
            AggregateUDF::new_from_impl(OrderedSet { pick, signature: Signature::user_defined(Volatility::Immutable) })
        })
    }

    /// The fraction that `percentile_disc` was called with.
    fn fraction(args: &AccumulatorArgs<'_>) -> Result<Option<f64>> {
        let literal = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>());
        let Some(literal) = literal else { return plan_err!("the fraction of percentile_disc must be a constant") };
        match literal.value().cast_to(&DataType::Float64)? {
            ScalarValue::Float64(Some(fraction)) if !(0.0..=1.0).contains(&fraction) => {
                plan_err!("the fraction of percentile_disc must be between 0 and 1, not {fraction}")
            }
            ScalarValue::Float64(fraction) => Ok(fraction),
            other => plan_err!("the fraction of percentile_disc must be a number, not {other}"),
        }
    }
}

impl AggregateUDFImpl for OrderedSet {
    fn name(&self) -> &str {
        match self.pick {
            Pick::Mode => "mode",
            Pick::PercentileDisc => "percentile_disc",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match (self.pick, types) {
            (Pick::Mode, [value]) => Ok(vec![value.clone()]),
            (Pick::PercentileDisc, [value, _]) => Ok(vec![value.clone(), DataType::Float64]),
            (Pick::Mode, _) => plan_err!("mode is written as mode() WITHIN GROUP (ORDER BY x)"),
            (Pick::PercentileDisc, _) => {
                plan_err!("percentile_disc is written as percentile_disc(0.5) WITHIN GROUP (ORDER BY x)")
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let values = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
        let name = format_state_name(args.name, self.name());
        Ok(vec![Arc::new(Field::new(name, DataType::List(Arc::new(values)), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let fraction = if self.pick == Pick::PercentileDisc { Self::fraction(&args)? } else { None };
        let descending = args.order_bys.first().is_some_and(|sort| sort.options.descending);
        let data_type = args.expr_fields[0].data_type().clone();
        let order = SortOptions { descending, nulls_first: false };
        Ok(Box::new(Values { pick: self.pick, fraction, order, data_type, distinct: args.is_distinct, values: Vec::new() }))
    }
}

/// All values of a group that are not NULL.
#[derive(Debug)]
struct Values {
    pick: Pick,
    fraction: Option<f64>,
    order: SortOptions,
    data_type: DataType,
    distinct: bool,
    values: Vec<ArrayRef>,
}

impl Values {
    fn all(&self) -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = self.values.iter().map(|values| values.as_ref()).collect();
        if arrays.is_empty() { Ok(new_empty_array(&self.data_type)) } else { Ok(concat(&arrays)?) }
    }

    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let values = match values.logical_nulls() {
            Some(nulls) => filter(values, &arrow_array::BooleanArray::new(nulls.into_inner(), None))?,
            None => Arc::clone(values),
        };
        if !values.is_empty() {
            self.values.push(values);
        }
        Ok(())
    }

    /// Where in the sorted values the result stands.
    fn position(&self, sorted: &ArrayRef) -> Result<Option<usize>> {
        let runs = partition(std::slice::from_ref(sorted))?.ranges();
        match self.pick {
            // `max_by_key` would take the last of the most frequent ones.
            Pick::Mode => Ok(runs.iter().rev().max_by_key(|run| run.len()).map(|run| run.start)),
            Pick::PercentileDisc => {
                let count = if self.distinct { runs.len() } else { sorted.len() };
                let Some(fraction) = self.fraction else { return Ok(None) };
                let at = ((fraction * count as f64).ceil() as usize).saturating_sub(1);
                Ok(if self.distinct { runs.get(at).map(|run| run.start) } else { (at < count).then_some(at) })
            }
        }
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sorted = sort(&self.all()?, Some(self.order))?;
        match self.position(&sorted)? {
            Some(position) => ScalarValue::try_from_array(&sorted, position),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.iter().map(|values| values.get_array_memory_size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![SingleRowListArrayBuilder::new(self.all()?).with_nullable(true).build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        for list in lists.iter().flatten() {
            self.add(&list)?;
        }
        Ok(())
    }
}
