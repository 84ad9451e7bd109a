//! A function with its overloads as a function of DataFusion: which overload a call means, and what it answers.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use laminar_core::{Code, Error};

use super::columns::{Argument, Call};
use super::kinds::{Kind, type_name};

/// Constant arguments of a call as the planner sees them; nothing where an argument is no constant.
pub(super) type Constants<'a> = [Option<&'a ScalarValue>];

/// The type of an answer.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    /// Always this one.
    Kind(Kind),
    /// The type of that argument.
    Same(usize),
    /// It depends on types and constants.
    Typed(fn(&[DataType], &Constants<'_>) -> laminar_core::Result<DataType>),
}

impl From<Kind> for Gives {
    fn from(kind: Kind) -> Self {
        Self::Kind(kind)
    }
}

type Run = fn(&Call<'_>) -> laminar_core::Result<ArrayRef>;

/// One list of parameters with what it answers.
#[derive(Clone)]
struct Overload {
    takes: Vec<Kind>,
    /// What any number of further arguments are.
    rest: Option<Kind>,
    gives: Gives,
    run: Run,
}

impl Overload {
    fn kind(&self, index: usize) -> Option<Kind> {
        self.takes.get(index).copied().or(self.rest)
    }

    /// How far the arguments are from the parameters.
    fn distance(&self, types: &[DataType]) -> Option<u32> {
        if types.len() < self.takes.len() || (self.rest.is_none() && types.len() > self.takes.len()) {
            return None;
        }
        types.iter().enumerate().map(|(index, from)| self.kind(index)?.distance(from)).sum()
    }

    fn print(&self, name: &str) -> String {
        let rest = self.rest.map(|kind| format!("{} …", kind.name()));
        let takes = self.takes.iter().map(|kind| kind.name().to_owned()).chain(rest);
        format!("{name}({})", takes.collect::<Vec<_>>().join(", "))
    }
}

/// A function of SQL.
pub(super) struct Routine {
    name: &'static str,
    aliases: Vec<String>,
    overloads: Vec<Overload>,
    check: Option<fn(&Constants<'_>) -> laminar_core::Result<()>>,
    signature: Signature,
}

/// Begins the definition of function `name`.
pub(super) fn routine(name: &'static str) -> Routine {
    let signature = Signature::user_defined(Volatility::Immutable);
    Routine { name, aliases: Vec::new(), overloads: Vec::new(), check: None, signature }
}

impl Routine {
    /// Another name for it.
    pub(super) fn also(mut self, alias: &str) -> Self {
        self.aliases.push(alias.to_owned());
        self
    }

    /// An overload: parameters, answer, and how it is computed.
    pub(super) fn takes<const N: usize>(mut self, takes: [Kind; N], gives: impl Into<Gives>, run: Run) -> Self {
        self.overloads.push(Overload { takes: takes.to_vec(), rest: None, gives: gives.into(), run });
        self
    }

    /// The same with any number of further arguments of kind `rest`.
    pub(super) fn takes_rest<const N: usize>(mut self, takes: [Kind; N], rest: Kind, gives: impl Into<Gives>, run: Run) -> Self {
        self.overloads.push(Overload { takes: takes.to_vec(), rest: Some(rest), gives: gives.into(), run });
        self
    }

    /// Looks at constant arguments before anything runs: a wrong one is an error of the statement.
    pub(super) fn check(mut self, check: fn(&Constants<'_>) -> laminar_core::Result<()>) -> Self {
        self.check = Some(check);
        self
    }

    fn choose(&self, types: &[DataType]) -> laminar_core::Result<&Overload> {
        let fitting = self.overloads.iter().filter_map(|overload| Some((overload.distance(types)?, overload)));
        // The first of several that are equally near.
        let mut nearest: Option<(u32, &Overload)> = None;
        for (distance, overload) in fitting {
            if nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, overload));
            }
        }
        nearest.map(|(_, overload)| overload).ok_or_else(|| self.no_overload(types))
    }

    fn no_overload(&self, types: &[DataType]) -> Error {
        let given: Vec<String> = types.iter().map(type_name).collect();
        let known: Vec<String> = self.overloads.iter().map(|overload| overload.print(self.name)).collect();
        Error::new(Code::TypeMismatch, format!("there is no function {}({})", self.name, given.join(", ")))
            .with_hint(format!("there is {}", known.join(", ")))
    }

    fn failed(&self, error: Error) -> DataFusionError {
        DataFusionError::External(Box::new(FailedCall { function: self.name.to_owned(), error }))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> laminar_core::Result<(ArrayRef, bool)> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let overload = self.choose(&types)?;
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let columns = args.args.iter().map(column_of).collect::<laminar_core::Result<Vec<_>>>()?;
        let rows = if is_constant { 1 } else { args.number_rows };
        let returns = args.return_field.data_type();
        Ok(((overload.run)(&Call { columns, rows, returns })?, is_constant))
    }
}

fn column_of(value: &ColumnarValue) -> laminar_core::Result<Argument> {
    match value {
        ColumnarValue::Array(array) => Ok(Argument { array: array.clone(), is_constant: false }),
        ColumnarValue::Scalar(value) => {
            let array = value.to_array().map_err(|error| Error::internal(error.to_string()))?;
            Ok(Argument { array, is_constant: true })
        }
    }
}

/// An error of a call, with the function's name, by which the planner finds its position.
#[derive(Debug)]
pub(crate) struct FailedCall {
    pub(crate) function: String,
    pub(crate) error: Error,
}

impl std::fmt::Display for FailedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for FailedCall {}

impl std::fmt::Debug for Routine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routine").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Routine {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Routine {}

impl Hash for Routine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Routine {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let constants = vec![None; types.len()];
        self.type_of(types, &constants).map_err(|error| self.failed(error))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        if let Some(check) = self.check {
            check(args.scalar_arguments).map_err(|error| self.failed(error))?;
        }
        let returns = self.type_of(&types, args.scalar_arguments).map_err(|error| self.failed(error))?;
        Ok(Arc::new(Field::new(self.name, returns, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // DataFusion keeps only the text of an error of coercion, so the planner finds it between two marks.
        let overload = self.choose(types).map_err(|error| {
            DataFusionError::Plan(format!(
                "{NO_OVERLOAD}{}{HINT}{}{NO_OVERLOAD}",
                error.message(),
                error.hint().unwrap_or_default()
            ))
        })?;
        Ok(types
            .iter()
            .enumerate()
            .map(|(index, from)| overload.kind(index).map_or_else(|| from.clone(), |k| k.column(from)))
            .collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (array, is_constant) = self.run(&args).map_err(|error| self.failed(error))?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

impl Routine {
    fn type_of(&self, types: &[DataType], constants: &Constants<'_>) -> laminar_core::Result<DataType> {
        match self.choose(types)?.gives {
            Gives::Kind(kind) => Ok(kind.arrow()),
            Gives::Same(index) => Ok(types.get(index).cloned().unwrap_or(DataType::Null)),
            Gives::Typed(of) => of(types, constants),
        }
    }
}

/// What stands around the text of [`Routine`]'s own error inside of DataFusion's.
pub(crate) const NO_OVERLOAD: &str = "\u{1}";
/// What parts its message from its hint.
pub(crate) const HINT: &str = "\u{2}";
/// Text of a constant argument.
pub(super) fn constant_text<'a>(constants: &Constants<'a>, index: usize) -> Option<&'a str> {
    match constants.get(index)? {
        Some(ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text))) => {
            Some(text)
        }
        _ => None,
    }
}
