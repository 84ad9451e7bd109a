//! Sliding windows for Rust users, without SQL: the window operator behind the names that they know.

use std::time::Duration;

use arrow_schema::{Field, Schema, SchemaRef};

use super::aggregate::AggregateCall;
use super::window::{EmitStrategy, LateDataConfig, LateDataMetrics, WindowAggregator, WindowOperator};
use super::{Operator, OperatorContext, RejectReason};
use crate::changelog::consolidate_all;
use crate::graph::{ChangeKind, EdgeProperties, Partitioning, WindowEmission, WindowSpec};
use crate::state::Imaged;
use crate::time::event_time::nanos_per_unit;
use crate::time::windows::{WindowKind, WindowShape, WindowUnit};
use crate::time::{EventTime, Watermark};
use crate::{ChangeBatch, Code, Error, Port, Result};

/// Windows of one size, one every slide; aligned to 1970-01-01T00:00:00Z.
///
/// ```
/// use std::time::Duration;
/// use laminar_core::operator::sliding_window::SlidingWindowAssigner;
/// use laminar_core::time::EventTime;
///
/// # fn main() -> laminar_core::Result<()> {
/// const MINUTE: i64 = 60_000_000_000;
/// let assigner = SlidingWindowAssigner::new(Duration::from_secs(3600), Duration::from_secs(900));
/// let windows = assigner.assign_windows(EventTime(70 * MINUTE))?;
/// let starts: Vec<i64> = windows.iter().map(|(start, _)| start.0 / MINUTE).collect();
/// assert_eq!(starts, [15, 30, 45, 60]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlidingWindowAssigner {
    shape: WindowShape,
}

impl SlidingWindowAssigner {
    /// A window of `size` starts every `slide`. Lengths that make no sense are refused when they are used.
    pub fn new(size: Duration, slide: Duration) -> Self {
        let kind = WindowKind::Hopping { size: nanos(size), slide: nanos(slide) };
        Self { shape: WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } } }
    }

    /// Start and end of each window of `time`, the earliest first. Times near the ends of the range have none.
    pub fn assign_windows(&self, time: EventTime) -> Result<Vec<(EventTime, EventTime)>> {
        let panes = self.shape.panes()?;
        let Some(pane) = panes.pane_of(time.0) else { return Ok(Vec::new()) };
        Ok(panes.windows_of(pane).map(|window| (EventTime(panes.start(window)), EventTime(panes.end(window)))).collect())
    }
}

/// Aggregates each sliding window. Output columns: `window_start`, `window_end`, the aggregate.
///
/// The time column is the first column of the input that is a time; the input may hold retractions.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use std::time::Duration;
/// use laminar_core::operator::sliding_window::{SlidingWindowAssigner, SlidingWindowOperator};
/// use laminar_core::operator::window::{CountAggregator, EmitStrategy};
/// use laminar_core::operator::{Operator, OperatorContext};
/// use laminar_core::time::Watermark;
/// use laminar_core::{ChangeBatch, Port, StepId};
///
/// # fn main() -> laminar_core::Result<()> {
/// # let schema = Arc::new(Schema::new(vec![Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), false)]));
/// let assigner = SlidingWindowAssigner::new(Duration::from_secs(60), Duration::from_secs(30));
/// let mut windows = SlidingWindowOperator::new(assigner, CountAggregator::new(), Duration::from_secs(5))
///     .with_emit_strategy(EmitStrategy::OnWindowClose);
///
/// let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
/// let mut cx = OperatorContext::new(StepId(1), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
/// windows.on_changes(Port::LEFT, ChangeBatch::parse(&schema, "+1 | 00:00:40 ; +1 | 00:01:10")?, &mut cx)?;
/// windows.on_watermark(Watermark(100_000_000_000), &mut cx)?; // 00:01:40: two windows and their lateness are over
/// windows.end_step(&mut cx)?;
/// let counts: Vec<String> = out.iter().map(ChangeBatch::print).collect();
/// assert_eq!(counts, ["+1 | 00:00 | 00:01 | 1", "+1 | 00:00:30 | 00:01:30 | 2"]);
/// # Ok(())
/// # }
/// ```
pub struct SlidingWindowOperator {
    shape: WindowShape,
    call: Result<AggregateCall>,
    strategy: EmitStrategy,
    late: LateDataConfig,
    metrics: LateDataMetrics,
    windows: Option<WindowOperator>,
    held: Vec<ChangeBatch>,
    due: Option<i64>,
}

impl SlidingWindowOperator {
    /// Computes `aggregator` for each window of `assigner`; windows take late rows for `allowed_lateness`.
    pub fn new(assigner: SlidingWindowAssigner, aggregator: impl WindowAggregator, allowed_lateness: Duration) -> Self {
        Self {
            shape: assigner.shape,
            call: aggregator.call(),
            strategy: EmitStrategy::OnWatermark,
            late: LateDataConfig::allow(allowed_lateness),
            metrics: LateDataMetrics::default(),
            windows: None,
            held: Vec::new(),
            due: None,
        }
    }

    /// The same with results shown at other moments. [`EmitStrategy::OnWatermark`] if not said.
    #[must_use]
    pub fn with_emit_strategy(self, strategy: EmitStrategy) -> Self {
        Self { strategy, ..self }
    }

    /// The same with another way to treat late rows.
    #[must_use]
    pub fn with_late_data(self, late: LateDataConfig) -> Self {
        Self { late, ..self }
    }

    /// How many rows no window took.
    pub fn late_data_metrics(&self) -> LateDataMetrics {
        self.metrics
    }

    fn build(&self, schema: &SchemaRef) -> Result<WindowOperator> {
        let call = self.call.clone()?;
        let time = schema.fields().iter().position(|field| nanos_per_unit(field.data_type()).is_some());
        let time = time.ok_or_else(|| Error::new(Code::TypeMismatch, "sliding windows need a column that is a time"))?;
        let bound = |name: &str| Field::new(name, schema.field(time).data_type().clone(), false);
        let result = Field::new(&call.name, call.function.return_type().clone(), true);
        let output = Schema::new(vec![bound("window_start"), bound("window_end"), result]);
        let input =
            EdgeProperties { partitioning: Partitioning::Single, ..EdgeProperties::new(schema.clone(), ChangeKind::Retract) };
        let spec = WindowSpec {
            shape: self.shape.clone(),
            time,
            time_lag: 0,
            keys: Vec::new(),
            aggregates: vec![call],
            emission: emission(self.strategy),
            lateness: if self.strategy == EmitStrategy::Final { 0 } else { nanos(self.late.allowed_lateness()) },
        };
        WindowOperator::new(&spec, &input, output.into())
    }

    /// Lets the inner operator act; its results and late rows come out as they were asked for.
    fn act(
        &mut self,
        cx: &mut OperatorContext<'_>,
        act: impl FnOnce(&mut WindowOperator, &mut OperatorContext<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(windows) = &mut self.windows else { return Ok(()) };
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        act(windows, &mut OperatorContext::new(cx.step(), cx.now(), cx.watermark(), &mut out, &mut rejected, &mut wake_at))?;
        for rows in rejected {
            let count = rows.reasons.len() as u64;
            match rows.reason {
                RejectReason::Late if !self.late.has_side_output() => self.metrics.dropped += count,
                RejectReason::Late => {
                    self.metrics.side_output += count;
                    cx.reject(rows);
                }
                RejectReason::Error => cx.reject(rows),
            }
        }
        match self.strategy {
            EmitStrategy::Periodic(_) => self.held.append(&mut out),
            EmitStrategy::OnUpdate => out.iter().map(only_new).try_for_each(|changes| changes.map(|changes| cx.emit(changes)))?,
            _ => out.into_iter().for_each(|changes| cx.emit(changes)),
        }
        Ok(())
    }

    /// Lets go what is held, if it is time.
    fn release(&mut self, every: Duration, cx: &mut OperatorContext<'_>) -> Result<()> {
        if let Some(schema) = self.held.first().map(ChangeBatch::schema) {
            let due = *self.due.get_or_insert(cx.now().saturating_add(nanos(every)));
            if due > cx.now() {
                cx.wake_at(due);
                return Ok(());
            }
            self.due = None;
            cx.emit(consolidate_all(&schema, &std::mem::take(&mut self.held))?);
        }
        Ok(())
    }
}

impl Operator for SlidingWindowOperator {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.windows.is_none() {
            self.windows = Some(self.build(&changes.schema())?);
        }
        self.act(cx, |windows, cx| windows.on_changes(port, changes, cx))
    }

    fn on_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.act(cx, |windows, cx| windows.on_watermark(watermark, cx))
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.act(cx, |windows, cx| windows.end_step(cx))?;
        match self.strategy {
            EmitStrategy::Periodic(every) => self.release(every, cx),
            _ => Ok(()),
        }
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        self.windows.as_mut().and_then(|windows| windows.state())
    }
}

fn emission(strategy: EmitStrategy) -> WindowEmission {
    match strategy {
        EmitStrategy::OnWatermark => WindowEmission::OnWatermark,
        EmitStrategy::Periodic(_) | EmitStrategy::OnUpdate | EmitStrategy::Changelog => WindowEmission::Changes,
        EmitStrategy::OnWindowClose | EmitStrategy::Final => WindowEmission::OnClose,
    }
}

/// Without the retractions directly before a row that takes their place. Each batch is of one window and has no keys, so
/// an insertion there always does.
fn only_new(changes: &ChangeBatch) -> Result<ChangeBatch> {
    let replaced = |row: usize| changes.weight(row) < 0 && row + 1 < changes.len() && changes.weight(row + 1) > 0;
    changes.filter(&(0..changes.len()).map(|row| Some(!replaced(row))).collect())
}

/// A length in nanoseconds; those of more than 292 years are all the same.
fn nanos(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}
