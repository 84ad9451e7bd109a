//! The door of a source: watches event times, makes watermarks, and marks rows that are behind them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;

use super::{Operator, OperatorContext, RejectReason, RejectedRows};
use crate::graph::{EdgeProperties, SourceSpec};
use crate::limits::WATERMARK_KEYS_MAX;
use crate::state::{Imaged, Ownership, StateImage};
use crate::time::Watermark;
use crate::time::event_time::to_nanos;
use crate::time::watermark::{
    ArrivingRows, IdleDetector, Keyed, MeteredGenerator, WatermarkGenerator, WatermarkMetrics, WatermarkPer, WatermarkSpec,
};
use crate::{ChangeBatch, Error, Port, Result};

/// Lets rows in.
///
/// Rows go on as they are, also those without event time: only windows have no place for them. If a row is behind the
/// watermark, its batch tells each row's watermark at arrival (see [`ChangeBatch`]).
pub struct Ingress {
    schema: SchemaRef,
    time: Option<EventTimes>,
    ended: bool,
}

/// What a source with event time keeps.
struct EventTimes {
    spec: WatermarkSpec,
    generator: MeteredGenerator<Box<dyn WatermarkGenerator>>,
    idle: Option<IdleDetector>,
    now: i64,
    reading: Reading,
}

/// Whether the source is read: the silence of a paused one means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is read.
    Always,
    /// It is not read for now.
    Paused,
    /// It is read again: its silence begins with the next look at the clock.
    Resumed,
}

impl Ingress {
    /// The door of a source of `spec` whose rows have `output`'s schema.
    pub fn new(spec: &SourceSpec, output: &EdgeProperties) -> Result<Self> {
        let time = spec.watermark.as_ref().map(|watermark| EventTimes::new(watermark, spec.idle_timeout, output)).transpose()?;
        Ok(Self { schema: output.schema.clone(), time, ended: false })
    }

    /// What the event times look like so far; `None` without event time.
    pub fn metrics(&self) -> Option<WatermarkMetrics> {
        self.time.as_ref().map(|time| time.generator.metrics())
    }

    fn keyed(&self) -> Option<&dyn Keyed> {
        self.time.as_ref().and_then(|time| time.generator.keyed())
    }
}

impl Operator for Ingress {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        changes.check_schema(&self.schema)?;
        let changes = match &mut self.time {
            Some(time) if !changes.is_empty() => time.watch(changes, cx)?,
            _ => changes,
        };
        cx.emit(changes);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.ended = watermark.is_end();
        if let Some(time) = self.time.as_mut().filter(|_| !watermark.is_end()) {
            time.generator.advance_to(watermark);
        }
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if let Some(time) = self.time.as_mut().filter(|_| !self.ended) {
            time.on_clock(cx);
        }
        Ok(())
    }

    fn output_watermark(&self, input: Watermark) -> Watermark {
        match &self.time {
            Some(time) if !input.is_end() => time.generator.watermark(),
            _ => input,
        }
    }

    fn is_idle(&self) -> bool {
        let silent = |time: &EventTimes| time.idle.as_ref().is_some_and(|idle| idle.holds_nobody_back(time.now));
        self.time.as_ref().is_some_and(silent)
    }

    fn pause(&mut self, paused: bool) {
        if let Some(time) = &mut self.time {
            time.reading = if paused { Reading::Paused } else { Reading::Resumed };
        }
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl EventTimes {
    fn new(spec: &WatermarkSpec, idle_timeout: Option<i64>, output: &EdgeProperties) -> Result<Self> {
        to_nanos(&arrow_array::new_empty_array(output.schema.field(spec.column).data_type()))?;
        Ok(Self {
            spec: spec.clone(),
            generator: MeteredGenerator::new(spec.generator(&output.schema, idle_timeout)?),
            idle: idle_timeout.map(IdleDetector::new),
            now: i64::MIN,
            reading: Reading::Always,
        })
    }

    fn watch(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        self.excuse_silence(cx.now());
        let times = to_nanos(changes.column(self.spec.column))?;
        reject_untimed(&changes, self.spec.column, &times, cx)?;
        let (weights, rows) = (changes.weights(), changes.rows());
        let arriving = ArrivingRows { times: &times, weights, rows, partition: changes.partition(), now: cx.now() };
        let stood = self.generator.observe(&arriving)?;
        if let Some(idle) = &mut self.idle {
            idle.rows(cx.now(), self.generator.watermark());
        }
        let changes = match stood {
            Some(stood) => changes.with_arrivals(stood),
            None => changes,
        };
        self.reject_refused(changes, cx)
    }

    /// Rejects the rows for whose keys there is no room: the others go on.
    fn reject_refused(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let refused = self.generator.keyed().map_or(&[][..], |keyed| keyed.refused());
        if refused.is_empty() {
            return Ok(changes);
        }
        let rows = take_record_batch(changes.rows(), &UInt32Array::from(refused.to_vec()))?;
        let reasons = vec![self.no_room(&changes.schema()); refused.len()];
        cx.reject(RejectedRows { reason: RejectReason::Error, rows, reasons });
        let mut keep = vec![true; changes.len()];
        refused.iter().for_each(|row| keep[*row as usize] = false);
        changes.filter(&keep.into())
    }

    fn no_room(&self, schema: &SchemaRef) -> String {
        let (of, max) = match &self.spec.per {
            WatermarkPer::Key { columns, keys_max } => {
                let names: Vec<&str> = columns.iter().map(|column| schema.field(*column).name().as_str()).collect();
                (names.join(", "), *keys_max)
            }
            _ => ("the partition".to_owned(), WATERMARK_KEYS_MAX),
        };
        format!("{max} values of {of} have a watermark already (max_keys), and none has been silent for the idle timeout")
    }

    fn excuse_silence(&mut self, now: i64) {
        if self.reading == Reading::Always {
            return;
        }
        self.idle.iter_mut().for_each(|idle| idle.excuse_silence(now));
        self.generator.keyed_mut().into_iter().for_each(|keyed| keyed.excuse_silence(now));
        if self.reading == Reading::Resumed {
            self.reading = Reading::Always;
        }
    }

    fn on_clock(&mut self, cx: &mut OperatorContext<'_>) {
        self.now = cx.now();
        self.excuse_silence(self.now);
        let before = self.generator.watermark();
        self.generator.on_clock(self.now);
        if let Some(idle) = self.idle.as_mut().filter(|_| self.generator.watermark() > before) {
            idle.moved(self.now, self.generator.watermark());
        }
        if let Some(watermark) = self.idle.as_mut().and_then(|idle| idle.on_clock(self.now)) {
            self.generator.advance_to(watermark);
        }
        let idle_due = self.idle.as_ref().and_then(|idle| idle.due(self.now));
        if let Some(due) = [self.generator.due(), idle_due].into_iter().flatten().min() {
            cx.wake_at(due);
        }
    }
}

/// Rejects the inserted rows that have no usable event time: a copy, the rows themselves may go on.
pub(super) fn reject_untimed(
    changes: &ChangeBatch,
    column: usize,
    times: &Int64Array,
    cx: &mut OperatorContext<'_>,
) -> Result<()> {
    if times.null_count() == 0 {
        return Ok(());
    }
    let untimed = (0..changes.len()).filter(|row| times.is_null(*row) && changes.weight(*row) > 0);
    let untimed: Vec<u32> = untimed.map(|row| row as u32).collect();
    let (schema, values) = (changes.schema(), changes.column(column));
    let name = schema.field(column).name();
    let reason = |row: &u32| match values.is_null(*row as usize) {
        true => format!("{name} is NULL: a row without event time belongs to no window"),
        false => format!("{name} is too far from 1970: event time ends with the years 1677 and 2262"),
    };
    let reasons = untimed.iter().map(reason).collect();
    let rows = take_record_batch(changes.rows(), &UInt32Array::from(untimed))?;
    cx.reject(RejectedRows { reason: RejectReason::Late, rows, reasons });
    Ok(())
}

/// The table of an image: the generator's numbers, in front of them whether rows have come and where the watermark then stood.
const NUMBERS: &str = "watermark";
/// The table of its keys.
const KEYS: &str = "keys";

impl Imaged for Ingress {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        if let Some(time) = &self.time {
            let stood = time.idle.as_ref().and_then(IdleDetector::save);
            let mut numbers = vec![i64::from(self.ended), i64::from(stood.is_some()), stood.unwrap_or(0)];
            numbers.extend(time.generator.save());
            let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
            image.push(NUMBERS, RecordBatch::try_from_iter([("number", numbers)])?);
            if let Some(keyed) = time.generator.keyed() {
                image.push(KEYS, keyed.image()?);
            }
        }
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], _owned: &Ownership) -> Result<()> {
        // A source takes its rows in at one place, however many workers there are.
        let ([image], Some(time)) = (parts, &mut self.time) else { return Ok(()) };
        let numbers = image.get(NUMBERS)?.column(0).as_primitive::<Int64Type>().values();
        let [ended, has_stood, stood, generator @ ..] = numbers.as_ref() else {
            return Err(Error::internal("image of a source without its watermark"));
        };
        self.ended = *ended != 0;
        if let Some(idle) = &mut time.idle {
            idle.load((*has_stood != 0).then_some(*stood));
        }
        time.generator.load(generator)?;
        match time.generator.keyed_mut() {
            Some(keyed) => keyed.restore(image.get(KEYS)?),
            None => Ok(()),
        }
    }

    fn rows(&self) -> usize {
        self.keyed().map_or(0, Keyed::keys)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.keyed().map_or(0, Keyed::bytes)
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema, TimeUnit};

    use super::*;
    use crate::StepId;
    use crate::graph::ChangeKind;
    use crate::time::watermark::{WatermarkRule, WatermarkSpec};

    const SECOND: i64 = 1_000_000_000;

    fn edge() -> EdgeProperties {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("ts", time, true)]));
        EdgeProperties::new(schema, ChangeKind::Retract)
    }

    struct Door {
        ingress: Ingress,
        out: Vec<ChangeBatch>,
        rejected: Vec<RejectedRows>,
        wake_at: Option<i64>,
    }

    impl Door {
        fn new(idle_timeout: Option<i64>) -> Self {
            let rule = WatermarkRule::BoundedOutOfOrderness { delay: 60 * SECOND };
            let spec = SourceSpec { watermark: Some(WatermarkSpec::new(1, rule)), idle_timeout };
            let ingress = Ingress::new(&spec, &edge()).unwrap();
            Self { ingress, out: Vec::new(), rejected: Vec::new(), wake_at: None }
        }

        /// One step at `now` seconds with these rows; the watermark after it.
        fn step(&mut self, now: i64, rows: &str) -> String {
            self.wake_at = None;
            let (step, start) = (StepId(1), Watermark::START);
            let mut cx = OperatorContext::new(step, now * SECOND, start, &mut self.out, &mut self.rejected, &mut self.wake_at);
            let changes = ChangeBatch::parse(&edge().schema, rows).unwrap();
            self.ingress.on_changes(Port::LEFT, changes, &mut cx).unwrap();
            self.ingress.end_step(&mut cx).unwrap();
            self.ingress.output_watermark(Watermark::START).to_string()
        }
    }

    #[test]
    fn a_batch_with_a_row_behind_tells_every_rows_watermark() {
        let mut door = Door::new(None);
        assert_eq!(door.step(0, "+1 | a | 00:10 ; +1 | b | 00:09"), "1970-01-01 00:09:00");
        assert!(door.out[0].arrivals().is_none());
        assert_eq!(door.step(0, "+1 | a | 00:20 ; +1 | b | 00:10"), "1970-01-01 00:19:00");
        assert_eq!(door.out[1].arrivals().unwrap().to_vec(), [540 * SECOND, 1140 * SECOND]);
        assert_eq!(door.ingress.metrics().unwrap().rows_behind, 1);
    }

    #[test]
    fn rows_without_time_go_on_and_are_shown() {
        let mut door = Door::new(None);
        door.step(0, "+1 | a | NULL ; +1 | b | 00:10 ; +1 | c | 9999-01-01 00:00:00 ; -1 | a | NULL");
        assert_eq!(door.out[0].len(), 4);
        let [rejected] = door.rejected.as_slice() else { panic!("one group of rejected rows") };
        assert_eq!(rejected.reasons.len(), 2);
        assert!(rejected.reasons[0].contains("ts is NULL") && rejected.reasons[1].contains("too far"), "{:?}", rejected.reasons);
    }

    #[test]
    fn a_silent_source_moves_on_with_the_clock() {
        let mut door = Door::new(Some(5 * SECOND));
        assert_eq!(door.step(100, ""), "start of time");
        assert!(!door.ingress.is_idle());
        assert_eq!(door.wake_at, Some(105 * SECOND));
        door.step(105, "");
        assert!(door.ingress.is_idle());
        assert_eq!(door.step(106, "+1 | a | 00:10"), "1970-01-01 00:09:00");
        assert!(!door.ingress.is_idle());
        assert_eq!(door.step(110, ""), "1970-01-01 00:09:00");
        assert_eq!(door.step(116, ""), "1970-01-01 00:09:10");
        assert_eq!(door.wake_at, Some(117 * SECOND));
    }

    #[test]
    fn a_restored_door_goes_on_where_it_was() {
        let mut first = Door::new(Some(5 * SECOND));
        first.step(0, "+1 | a | 00:10");
        let mut second = Door::new(Some(5 * SECOND));
        second.ingress.restore(&[&first.ingress.image().unwrap()], &Ownership::All).unwrap();
        for door in [&mut first, &mut second] {
            assert_eq!(door.step(1, "+1 | a | 00:08"), "1970-01-01 00:09:00");
            assert_eq!(door.out.last().unwrap().arrivals().unwrap().to_vec(), [540 * SECOND]);
        }
    }

    #[test]
    fn a_source_without_event_time_ends_when_it_is_told() {
        let ingress = Ingress::new(&SourceSpec { watermark: None, idle_timeout: None }, &edge()).unwrap();
        assert_eq!(ingress.output_watermark(Watermark::START), Watermark::START);
        assert_eq!(ingress.output_watermark(Watermark::END), Watermark::END);
    }
}
