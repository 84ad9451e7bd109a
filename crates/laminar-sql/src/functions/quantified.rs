//! `x = ANY (list)` and `x > ALL (list)` over an array, three-valued as in PostgreSQL.
//!
//! The parser leaves a call of `__any_eq(x, list)`; sub-queries that are values become the same call over their collected
//! column (`plan/subqueries`), with a list that is NULL where the sub-query has no row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, RecordBatch, UInt32Array, cast::AsArray};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::take::take;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};

/// How many pairs of values are compared at once at most, unless one list is longer.
const PAIRS_MAX: usize = 1 << 18;

/// Whether one element or all must fulfil the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Quantifier {
    Any,
    All,
}

/// The comparison of a value with the elements of a list.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quantified {
    name: String,
    op: Operator,
    quantifier: Quantifier,
    /// A NULL list is what a sub-query without rows was collected to, so it is empty; otherwise it makes the result NULL.
    null_is_empty: bool,
    signature: Signature,
}

const OPERATORS: [(Operator, &str); 6] = [
    (Operator::Eq, "eq"),
    (Operator::NotEq, "ne"),
    (Operator::Lt, "lt"),
    (Operator::LtEq, "le"),
    (Operator::Gt, "gt"),
    (Operator::GtEq, "ge"),
];

/// The function that stands for an operator's sign with ANY or ALL; none if there is no such comparison.
pub(crate) fn quantified_name(sign: &str, quantifier: Quantifier) -> Option<String> {
    let (op, _) = OPERATORS.iter().find(|(op, _)| op.to_string() == sign || (sign == "<>" && *op == Operator::NotEq))?;
    Some(name_of(*op, quantifier, false))
}

fn name_of(op: Operator, quantifier: Quantifier, null_is_empty: bool) -> String {
    let short = OPERATORS.iter().find(|(known, _)| *known == op).map_or("eq", |(_, short)| short);
    let quantifier = if quantifier == Quantifier::Any { "any" } else { "all" };
    format!("__{quantifier}_{short}{}", if null_is_empty { "_of_query" } else { "" })
}

impl Quantified {
    /// All comparisons with both quantifiers over arrays, to be registered.
    pub(crate) fn all() -> Vec<ScalarUDF> {
        let pairs = OPERATORS.iter().flat_map(|(op, _)| [(*op, Quantifier::Any), (*op, Quantifier::All)]);
        pairs.map(|(op, quantifier)| ScalarUDF::new_from_impl(Self::new(op, quantifier, false))).collect()
    }

    /// The comparison with the collected rows of a sub-query; none if the operator compares nothing.
    pub(crate) fn over_query(op: Operator, quantifier: Quantifier) -> Option<ScalarUDF> {
        let known = OPERATORS.iter().any(|(known, _)| *known == op);
        known.then(|| ScalarUDF::new_from_impl(Self::new(op, quantifier, true)))
    }

    fn new(op: Operator, quantifier: Quantifier, null_is_empty: bool) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name: name_of(op, quantifier, null_is_empty), op, quantifier, null_is_empty, signature }
    }

    /// The results for rows `from..to`: three-valued over the elements of each row's list.
    fn compare(&self, values: &ArrayRef, lists: &ListArray, from: usize, to: usize) -> Result<Vec<Option<bool>>> {
        let (mut elements, mut rows) = (Vec::new(), Vec::new());
        for row in (from..to).filter(|row| lists.is_valid(*row)) {
            let (begin, end) = (lists.value_offsets()[row], lists.value_offsets()[row + 1]);
            elements.extend((begin..end).map(|element| element as u32));
            rows.extend(std::iter::repeat_n(row as u32, (end - begin) as usize));
        }
        let left = take(values, &UInt32Array::from(rows), None)?;
        let right = take(lists.values(), &UInt32Array::from(elements), None)?;
        let found = compared(self.op, left, right)?;
        let mut at = 0;
        Ok((from..to).map(|row| self.fold(lists, row, &found, &mut at)).collect())
    }

    fn fold(&self, lists: &ListArray, row: usize, found: &BooleanArray, at: &mut usize) -> Option<bool> {
        let neutral = self.quantifier == Quantifier::All;
        if lists.is_null(row) {
            return self.null_is_empty.then_some(neutral);
        }
        let length = lists.value_length(row) as usize;
        let own = *at..*at + length;
        *at = own.end;
        let mut unknown = false;
        for element in own {
            if found.is_null(element) {
                unknown = true;
            } else if found.value(element) != neutral {
                return Some(!neutral);
            }
        }
        (!unknown).then_some(neutral)
    }
}

/// `left op right`, by the operator of expressions, so that both mean the same.
fn compared(op: Operator, left: ArrayRef, right: ArrayRef) -> Result<BooleanArray> {
    let field = |name, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field("l", &left), field("r", &right)]));
    let rows = left.len();
    let batch = RecordBatch::try_new(schema, vec![left, right])?;
    let operands: [Arc<dyn PhysicalExpr>; 2] = [Arc::new(Column::new("l", 0)), Arc::new(Column::new("r", 1))];
    let [l, r] = operands;
    let result = BinaryExpr::new(l, op, r).evaluate(&batch)?.into_array(rows)?;
    Ok(result.as_boolean().clone())
}

impl ScalarUDFImpl for Quantified {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let quantifier = if self.quantifier == Quantifier::Any { "ANY" } else { "ALL" };
        let names: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(format!(
            "{} {} {quantifier}({})",
            names.first().cloned().unwrap_or_default(),
            self.op,
            names.get(1..).unwrap_or_default().join(", ")
        ))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, list] = types else { return plan_err!("ANY and ALL compare one value with one array") };
        let element = match list {
            DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => element.data_type(),
            DataType::Null => value,
            other => return plan_err!("ANY and ALL need an array or a sub-query on their right side, this is {other}"),
        };
        let Some(common) = comparison_coercion(value, element) else {
            return plan_err!("{value} cannot be compared with the elements of an array of {element}");
        };
        Ok(vec![common.clone(), DataType::List(Arc::new(Field::new_list_field(common, true)))])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let (values, lists) = (args.args[0].to_array(rows)?, args.args[1].to_array(rows)?);
        let lists = lists.as_list::<i32>();
        let mut results = Vec::with_capacity(rows);
        let mut from = 0;
        while from < rows {
            let to = chunk_end(lists, from);
            results.extend(self.compare(&values, lists, from, to)?);
            from = to;
        }
        let results: ArrayRef = Arc::new(BooleanArray::from(results));
        if constant {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&results, 0)?));
        }
        Ok(ColumnarValue::Array(results))
    }
}

/// The row before which about [`PAIRS_MAX`] pairs are together, at least one row further.
fn chunk_end(lists: &ListArray, from: usize) -> usize {
    let mut pairs = 0;
    for row in from..lists.len() {
        pairs += lists.value_length(row) as usize;
        if pairs > PAIRS_MAX {
            return row.max(from + 1);
        }
    }
    lists.len()
}
