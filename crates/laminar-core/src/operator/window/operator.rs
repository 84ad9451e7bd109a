//! Groups by tumbling, hopping or cumulating window and key: what happens when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;

use super::input::{Evaluated, GroupInput};
use super::output::{ResultRows, check_alignment};
use super::pane_groups::PaneGroups;
use super::pane_ref::{Admission, PaneRef, Taken, Whereabouts, is_open};
use super::pane_tables::PaneTables;
use super::partial_panes::{PartialPanes, arrived};
use super::shown::Shown;
use crate::graph::{EdgeProperties, WindowEmission, WindowSpec, can_be_sent};
use crate::operator::aggregate::GroupTable;
use crate::operator::difference::Difference;
use crate::operator::ingress::reject_untimed;
use crate::operator::{Operator, OperatorContext, PartialAggregation, SentGroups};
use crate::state::{Imaged, StateImage};
use crate::time::event_time::to_nanos;
use crate::time::{Panes, Watermark, Window};
use crate::{ChangeBatch, Port, Result};

/// `GROUP BY window, keys`.
///
/// A window that readers have been shown has a table of its own, which takes rows directly; until then its rows are in the
/// tables of its panes. With [`WindowEmission::Changes`] every window is shown from its first row on; with
/// [`WindowEmission::OnClose`] none ever is, because it closes when it is shown.
///
/// The output watermark is the input's minus the time column's lag: no row for a window that ends at or before that
/// minus the lateness will come.
pub struct WindowOperator {
    panes: Panes,
    time: usize,
    time_lag: i64,
    lateness: i64,
    emission: WindowEmission,
    input: GroupInput,
    output: SchemaRef,
    waiting: PaneTables,
    /// What is on its way to other workers.
    partial: Option<PartialPanes>,
    has_partial_aggregation: bool,
    shown: BTreeMap<Window, Shown>,
    touched: BTreeSet<Window>,
    /// The watermark of the time column.
    reached: Watermark,
}

impl WindowOperator {
    /// The operator for `spec` over `input`, with the output columns `output`.
    pub fn new(spec: &WindowSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        check_alignment(&spec.shape, input.schema.field(spec.time))?;
        let panes = spec.shape.panes()?;
        let grouping = GroupInput::new(&spec.keys, &spec.aggregates, !input.changes.is_append());
        let once = spec.shows_once();
        let emission = if once { WindowEmission::OnClose } else { spec.emission };
        Ok(Self {
            has_partial_aggregation: once && can_be_sent(&spec.aggregates, input),
            partial: None,
            waiting: PaneTables::new(panes.clone(), &grouping, once)?,
            panes,
            time: spec.time,
            time_lag: spec.time_lag,
            lateness: spec.lateness,
            emission,
            input: grouping,
            output,
            shown: BTreeMap::new(),
            touched: BTreeSet::new(),
            reached: Watermark::START,
        })
    }

    /// Evaluates a batch and finds the pane refs of its rows; those that no window takes are rejected.
    fn take_in(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Taken> {
        let (changes, rows) = self.input.evaluate(changes, cx)?;
        let times = to_nanos(changes.column(self.time))?;
        let admission =
            Admission { panes: &self.panes, time_lag: self.time_lag, lateness: self.lateness, watermark: cx.watermark() };
        let whereabouts = match admission.few_panes(&changes, &times) {
            Some(few) if few.pane_refs.len() == 1 => Whereabouts::One(few.pane_refs[0]),
            Some(few) => Whereabouts::Few(few),
            None => {
                let panes = self.panes.panes_of(&times);
                reject_untimed(&changes, self.time, &panes, cx)?;
                let mut assigned = admission.assign(&changes, &panes);
                assigned.reject(&changes, &self.panes, cx)?;
                match assigned.only_pane_ref(changes.len()) {
                    Some(only) => Whereabouts::One(only),
                    None => {
                        Whereabouts::Apart(assigned.rows.into_iter().map(|(pane_ref, rows)| (pane_ref, rows.into())).collect())
                    }
                }
            }
        };
        Ok(Taken { rows, whereabouts })
    }

    /// Adds rows to every window that takes them.
    fn add_taken(&mut self, taken: &Taken) -> Result<()> {
        let rows = &taken.rows;
        let add_apart = |operator: &mut Self, apart: &[(PaneRef, UInt32Array)]| {
            apart.iter().try_for_each(|(pane_ref, at)| operator.add(*pane_ref, &rows.take(at)?))
        };
        match &taken.whereabouts {
            Whereabouts::One(only) => self.add(*only, rows),
            Whereabouts::Few(few) if few.pane_refs.iter().any(|pane_ref| self.is_shown_at(*pane_ref)) => {
                add_apart(self, &few.apart())
            }
            Whereabouts::Few(few) => self.waiting.add_each(few, rows),
            Whereabouts::Apart(apart) => add_apart(self, apart),
        }
    }

    /// Adds rows that all belong to one pane ref to every window that takes them.
    fn add(&mut self, pane_ref: PaneRef, rows: &Evaluated) -> Result<()> {
        let windows = self.panes.windows_of(pane_ref.pane).filter(|window| pane_ref.is_taken_by(*window));
        let (shown, waiting): (Vec<Window>, Vec<Window>) = windows.partition(|window| self.is_shown(*window));
        if !waiting.is_empty() {
            self.waiting.add(pane_ref, &waiting, rows)?;
        }
        match shown.as_slice() {
            [] => Ok(()),
            [only] => self.touch(*only, |window| window.add(rows)),
            // Rows are aggregated once; every window then takes the groups.
            several => {
                let mut groups = self.input.table()?;
                rows.add_to(&mut groups)?;
                several.iter().try_for_each(|window| self.touch(*window, |window| window.merge(&groups)))
            }
        }
    }

    /// Adds groups that another worker aggregated.
    fn merge_arrived(&mut self, groups: &RecordBatch) -> Result<()> {
        let Some((pane_ref, groups)) = arrived(groups)? else { return Ok(()) };
        let windows =
            self.panes.windows_of(pane_ref.pane).filter(|window| pane_ref.is_taken_by(*window) && !self.was_due(*window));
        let windows: Vec<Window> = windows.collect();
        debug_assert!(!windows.is_empty(), "groups come before the last window that needs them is shown");
        self.waiting.merge(pane_ref, &windows, &groups, self.input.table()?)
    }

    fn touch(&mut self, window: Window, act: impl FnOnce(&mut Shown) -> Result<bool>) -> Result<()> {
        let shown = match self.shown.entry(window) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Shown::new(self.input.table()?)),
        };
        if act(shown)? {
            self.touched.insert(window);
        }
        Ok(())
    }

    /// Whether readers are shown this window's results at once.
    fn is_shown(&self, window: Window) -> bool {
        match self.emission {
            WindowEmission::Changes => true,
            WindowEmission::OnWatermark => self.panes.end(window) <= self.reached.0,
            WindowEmission::OnClose => false,
        }
    }

    /// Whether one of the windows that take rows at `pane_ref` is shown.
    fn is_shown_at(&self, pane_ref: PaneRef) -> bool {
        let mut windows = self.panes.windows_of(pane_ref.pane).filter(|window| pane_ref.is_taken_by(*window));
        // Windows come by their ends, so the first one is shown first.
        windows.next().is_some_and(|window| self.is_shown(window))
    }

    fn emit_differences(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        for window in std::mem::take(&mut self.touched) {
            let Some(shown) = self.shown.get_mut(&window) else { continue };
            let difference = shown.difference()?;
            let keys = shown.table().keys(&difference.groups)?;
            self.results(window, difference, keys).emit(&self.output, cx)?;
            if let Some(shown) = self.shown.get_mut(&window) {
                shown.forget();
                if shown.is_empty() {
                    self.shown.remove(&window);
                }
            }
        }
        Ok(())
    }

    /// Shows the windows that are due: once, or for the first time.
    fn emit_due(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let wait = if self.emission == WindowEmission::OnClose { self.lateness } else { 0 };
        let (panes, reached) = (self.panes.clone(), self.reached);
        let is_due = |window: Window| !is_open(panes.end(window), wait, reached);
        while let Some(window) = self.waiting.take_due(is_due) {
            let stays = self.emission == WindowEmission::OnWatermark && is_open(panes.end(window), self.lateness, reached);
            let (table, groups) = self.waiting.of_window(window)?;
            let (keys, difference) = all_results(table, groups)?;
            if stays {
                let mut shown = self.input.table()?;
                shown.merge_from(table, &difference.groups)?;
                self.shown.insert(window, Shown::new(shown));
            }
            self.results(window, difference, keys).emit(&self.output, cx)?;
        }
        self.waiting.drop_panes(is_due)
    }

    /// Forgets the windows that take no more rows.
    fn close(&mut self) {
        while let Some(entry) = self.shown.first_entry() {
            if is_open(self.panes.end(*entry.key()), self.lateness, self.reached) {
                break;
            }
            entry.remove();
        }
    }

    fn results(&self, window: Window, difference: Difference, keys: Vec<ArrayRef>) -> ResultRows {
        let rows = difference.weights.len();
        ResultRows {
            starts: Int64Array::from_value(self.panes.start(window), rows),
            ends: Int64Array::from_value(self.panes.end(window), rows),
            keys,
            results: difference.results,
            weights: difference.weights,
            faults: difference.faults,
        }
    }
}

/// The results of those of these groups that have rows, as insertions.
fn all_results(table: &mut GroupTable, mut groups: Vec<u32>) -> Result<(Vec<ArrayRef>, Difference)> {
    groups.retain(|group| table.weight(*group) > 0);
    let mut faults = Vec::new();
    let results = table.results(&groups, &mut faults)?;
    let weights = vec![1; groups.len()];
    Ok((table.keys(&groups)?, Difference { groups, weights, results, faults }))
}

impl Operator for WindowOperator {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if port == Port::GROUPS {
            return self.merge_arrived(changes.rows());
        }
        let taken = self.take_in(changes, cx)?;
        self.add_taken(&taken)
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.reached = watermark.held_back(self.time_lag);
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.emit_differences(cx)?;
        self.emit_due(cx)?;
        self.close();
        Ok(())
    }

    fn output_watermark(&self, input: Watermark) -> Watermark {
        input.held_back(self.time_lag)
    }

    fn partial_aggregation(&mut self) -> Option<&mut dyn PartialAggregation> {
        if !self.has_partial_aggregation {
            return None;
        }
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl PartialAggregation for WindowOperator {
    fn absorb(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Option<ChangeBatch>> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => PartialPanes::new(&self.input)?,
        };
        let back = match partial.takes(changes.len()) {
            true => self.take_in(changes, cx).and_then(|taken| partial.add(&taken)).map(|()| None),
            false => Ok(Some(changes)),
        };
        self.partial = Some(partial);
        back
    }

    fn leave(&mut self, until: Watermark) -> Result<Vec<SentGroups>> {
        let Some(partial) = &mut self.partial else { return Ok(Vec::new()) };
        let (panes, lateness, reached) = (&self.panes, self.lateness, until.held_back(self.time_lag));
        partial.leave(|pane_ref| {
            let first = panes.windows_of(pane_ref.pane).find(|window| pane_ref.is_taken_by(*window));
            first.is_none_or(|window| !is_open(panes.end(window), lateness, reached))
        })
    }
}

/// Tables of an image: the watermark; the pane refs with how many groups each has, and all those groups; which windows are shown,
/// and their tables; if there are any, the pane refs and groups that are on their way to other workers.
const REACHED: &str = "watermark";
const PLACES: &str = "pane_refs";
const PANES: &str = "panes";
const WINDOWS: &str = "windows";
const WINDOW: &str = "window";
const PARTIAL_REFS: &str = "partial refs";
const PARTIAL_PANES: &str = "partial panes";

impl Imaged for WindowOperator {
    fn image(&mut self) -> Result<StateImage> {
        debug_assert!(self.touched.is_empty(), "images are taken between steps");
        let mut image = StateImage::default();
        image.push(REACHED, numbers([vec![self.reached.0]])?);
        push_pane_groups(&mut image, [PLACES, PANES], self.waiting.assigned())?;
        if let Some(partial) = self.partial.as_ref().filter(|partial| partial.assigned().first_pane_ref().is_some()) {
            push_pane_groups(&mut image, [PARTIAL_REFS, PARTIAL_PANES], partial.assigned())?;
        }
        let (firsts, ends) = self.shown.keys().map(|window| (window.first, window.end)).unzip();
        image.push(WINDOWS, numbers([firsts, ends])?);
        for shown in self.shown.values() {
            image.push(WINDOW, shown.table().image()?);
        }
        Ok(image)
    }

    fn restore(&mut self, image: &StateImage) -> Result<()> {
        self.reached = Watermark(column(image.get(REACHED)?, 0)[0]);
        let pane_refs = pane_refs_in(image.get(PLACES)?);
        for (pane_ref, _) in &pane_refs {
            let is_waiting = |window: &Window| pane_ref.is_taken_by(*window) && !self.was_due(*window);
            let windows: Vec<Window> = self.panes.windows_of(pane_ref.pane).filter(is_waiting).collect();
            self.waiting.expect(windows);
        }
        self.waiting.restore(&pane_refs, image.get(PANES)?)?;
        if let Some(pane_refs) = image.all(PARTIAL_REFS).next() {
            let mut partial = PartialPanes::new(&self.input)?;
            partial.restore(&pane_refs_in(pane_refs), image.get(PARTIAL_PANES)?)?;
            self.partial = Some(partial);
        }
        let windows = image.get(WINDOWS)?;
        for ((first, end), rows) in column(windows, 0).iter().zip(column(windows, 1)).zip(image.all(WINDOW)) {
            let window = Window { first: *first, end: *end };
            self.shown.insert(window, Shown::new(restored(&self.input, rows)?));
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let partial = self.partial.as_ref().map_or(0, |partial| partial.assigned().bytes());
        self.waiting.bytes() + partial + self.shown.values().map(|shown| shown.table().bytes()).sum::<usize>()
    }
}

impl WindowOperator {
    /// Whether a window was due at the watermark as it stands.
    fn was_due(&self, window: Window) -> bool {
        let wait = if self.emission == WindowEmission::OnClose { self.lateness } else { 0 };
        !is_open(self.panes.end(window), wait, self.reached)
    }
}

fn push_pane_groups(image: &mut StateImage, [places_name, groups_name]: [&'static str; 2], assigned: &PaneGroups) -> Result<()> {
    let (pane_refs, groups) = assigned.image()?;
    let (panes, froms) = pane_refs.iter().map(|(pane_ref, _)| (pane_ref.pane, pane_ref.from)).unzip();
    image.push(places_name, numbers([panes, froms, pane_refs.iter().map(|(_, groups)| *groups as i64).collect()])?);
    image.push(groups_name, groups);
    Ok(())
}

/// Places with how many groups each has.
fn pane_refs_in(rows: &RecordBatch) -> Vec<(PaneRef, usize)> {
    let froms_and_groups = column(rows, 1).iter().zip(column(rows, 2));
    let pane_refs = column(rows, 0).iter().zip(froms_and_groups);
    pane_refs.map(|(pane, (from, groups))| (PaneRef { pane: *pane, from: *from }, *groups as usize)).collect()
}

fn restored(input: &GroupInput, rows: &RecordBatch) -> Result<GroupTable> {
    let mut table = input.table()?;
    table.restore(rows)?;
    Ok(table)
}

/// A table of whole numbers.
fn numbers<const N: usize>(columns: [Vec<i64>; N]) -> Result<RecordBatch> {
    let named = columns.into_iter().enumerate();
    let named = named.map(|(at, column)| (format!("c{at}"), Arc::new(Int64Array::from(column)) as ArrayRef));
    Ok(RecordBatch::try_from_iter(named)?)
}

fn column(rows: &RecordBatch, at: usize) -> &[i64] {
    rows.column(at).as_primitive::<Int64Type>().values()
}
