//! Adds `window_start` and `window_end` to each row, once for each window that it belongs to.

use arrow_array::{Array, Int64Array, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;

use super::ingress::reject_untimed;
use super::window::check_alignment;
use super::{Operator, OperatorContext};
use crate::graph::{AssignSpec, EdgeProperties};
use crate::time::event_time::{from_nanos, to_nanos};
use crate::time::{Panes, Window};
use crate::{ChangeBatch, Port, Result, limits};

/// Windows without aggregation. Nothing is ever late here: a window that is never closed takes every row.
pub struct AssignWindow {
    panes: Panes,
    time: usize,
    output: SchemaRef,
}

impl AssignWindow {
    /// The operator for `spec` over `input`, with the output columns `output`.
    pub fn new(spec: &AssignSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        check_alignment(&spec.shape, input.schema.field(spec.time))?;
        Ok(Self { panes: spec.shape.panes()?, time: spec.time, output })
    }

    fn emit(&self, changes: &ChangeBatch, rows: Vec<u32>, windows: &[Window], cx: &mut OperatorContext<'_>) -> Result<()> {
        let rows = UInt32Array::from(rows);
        let taken = changes.rows().columns().iter().map(|column| take(column, &rows, None));
        let mut columns = taken.collect::<Result<Vec<_>, _>>()?;
        let time_type = changes.column(self.time).data_type();
        let starts: Int64Array = windows.iter().map(|window| Some(self.panes.start(*window))).collect();
        let ends: Int64Array = windows.iter().map(|window| Some(self.panes.end(*window))).collect();
        columns.push(from_nanos(&starts, time_type)?);
        columns.push(from_nanos(&ends, time_type)?);
        cx.emit(changes.take(&rows)?.with_columns(self.output.clone(), columns)?);
        Ok(())
    }
}

impl Operator for AssignWindow {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let panes = self.panes.panes_of(&to_nanos(changes.column(self.time))?);
        reject_untimed(&changes, self.time, &panes, cx)?;
        let (mut rows, mut windows) = (Vec::new(), Vec::new());
        for row in (0..changes.len()).filter(|row| panes.is_valid(*row)) {
            windows.extend(self.panes.windows_of(panes.value(row)));
            rows.resize(windows.len(), row as u32);
            if rows.len() >= limits::BATCH_ROWS_MAX {
                self.emit(&changes, std::mem::take(&mut rows), &windows, cx)?;
                windows.clear();
            }
        }
        self.emit(&changes, rows, &windows, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema, TimeUnit};
    use expect_test::{Expect, expect};

    use super::*;
    use crate::StepId;
    use crate::changelog::print_all;
    use crate::graph::ChangeKind;
    use crate::time::Watermark;
    use crate::time::windows::{WindowKind, WindowShape, WindowUnit};

    const MINUTE: i64 = 60_000_000_000;

    fn schema(names: &[&str]) -> SchemaRef {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, time.clone(), true)).collect::<Vec<_>>()))
    }

    fn check(kind: WindowKind, rows: &str, expected: Expect) {
        let shape = WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } };
        let schema_in = schema(&["ts"]);
        let input = EdgeProperties::new(schema_in.clone(), ChangeKind::Retract);
        let mut operator =
            AssignWindow::new(&AssignSpec { shape, time: 0 }, &input, schema(&["ts", "window_start", "window_end"])).unwrap();
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        let mut cx = OperatorContext::new(StepId(1), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
        let changes = ChangeBatch::parse(&schema_in, rows).unwrap();
        let arrivals = (0..changes.len() as i64).collect::<Vec<_>>();
        operator.on_changes(Port::LEFT, changes.with_arrivals(arrivals.into()), &mut cx).unwrap();
        let late: Vec<_> = rejected.iter().flat_map(|rejected| &rejected.reasons).map(String::as_str).collect();
        let arrivals: Vec<_> = out.iter().flat_map(|batch| batch.arrivals().unwrap().to_vec()).collect();
        expected.assert_eq(&format!("{}\narrivals {arrivals:?}\n{}", print_all(&out), late.join("\n")));
    }

    #[test]
    fn a_row_is_there_once_for_each_window() {
        check(
            WindowKind::Hopping { size: 2 * MINUTE, slide: MINUTE },
            "+1 | 00:01:30 ; -2 | 00:05 ; +1 | NULL",
            expect![[r#"
                +1 | 00:01:30 | 00:00 | 00:02
                +1 | 00:01:30 | 00:01 | 00:03
                -2 | 00:05 | 00:04 | 00:06
                -2 | 00:05 | 00:05 | 00:07
                arrivals [0, 0, 1, 1]
                ts is NULL: a row without event time belongs to no window"#]],
        );
    }
}
