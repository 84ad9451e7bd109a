//! All windows of a time as two lists, starts and ends: a function that only ad-hoc queries use.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, Int64Array, ListArray};
use arrow_schema::{DataType, Field};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use laminar_core::time::Panes;
use laminar_core::time::event_time::{from_nanos, to_nanos};
use laminar_core::time::windows::WindowShape;

/// The starts or the ends of the windows of a time.
#[derive(Debug)]
pub(super) struct WindowList {
    shape: WindowShape,
    ends: bool,
    signature: Signature,
    /// Made once: with a time zone that takes a while.
    panes: OnceLock<Panes>,
}

impl WindowList {
    /// Starts and ends.
    pub(super) fn both(shape: &WindowShape) -> [WindowList; 2] {
        [false, true].map(|ends| WindowList {
            shape: shape.clone(),
            ends,
            signature: Signature::any(1, Volatility::Immutable),
            panes: OnceLock::new(),
        })
    }

    fn panes(&self) -> laminar_core::Result<&Panes> {
        match self.panes.get() {
            Some(panes) => Ok(panes),
            None => {
                let panes = self.shape.panes()?;
                Ok(self.panes.get_or_init(|| panes))
            }
        }
    }
}

impl PartialEq for WindowList {
    fn eq(&self, other: &Self) -> bool {
        (&self.shape, self.ends) == (&other.shape, other.ends)
    }
}

impl Eq for WindowList {}

impl Hash for WindowList {
    fn hash<H: Hasher>(&self, state: &mut H) {
        format!("{:?}", self.shape).hash(state);
        self.ends.hash(state);
    }
}

impl ScalarUDFImpl for WindowList {
    fn name(&self) -> &str {
        if self.ends { "__window_ends" } else { "__window_starts" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(args[0].clone(), true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let external = |error: laminar_core::Error| DataFusionError::External(Box::new(error));
        let time = args.args[0].to_array(args.number_rows)?;
        let panes = self.panes().map_err(external)?;
        let (mut bounds, mut lengths) = (Vec::new(), Vec::with_capacity(time.len()));
        for time in &to_nanos(&time).map_err(external)? {
            let before = bounds.len();
            if let Some(pane) = time.and_then(|time| panes.pane_of(time)) {
                bounds.extend(panes.windows_of(pane).map(|w| if self.ends { panes.end(w) } else { panes.start(w) }));
            }
            lengths.push(bounds.len() - before);
        }
        let values: ArrayRef = from_nanos(&Int64Array::from(bounds), time.data_type()).map_err(external)?;
        let field = Arc::new(Field::new_list_field(time.data_type().clone(), true));
        let offsets = arrow_buffer::OffsetBuffer::from_lengths(lengths);
        Ok(ColumnarValue::Array(Arc::new(ListArray::try_new(field, offsets, values, None)?)))
    }
}
