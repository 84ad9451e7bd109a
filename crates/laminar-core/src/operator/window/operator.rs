//! Groups by tumbling, hopping or cumulating window and key: what happens when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;

use super::input::{Evaluated, GroupInput};
use super::output::{ResultRows, check_alignment};
use super::pane_ref::{Admission, PaneRef, Taken, Whereabouts, is_open};
use super::pane_tables::PaneTables;
use super::partial_panes::{PartialPanes, arrived, sent_keys};
use super::shown::Shown;
use crate::graph::{EdgeProperties, WindowEmission, WindowSpec, can_be_sent};
use crate::operator::aggregate::GroupTable;
use crate::operator::difference::Difference;
use crate::operator::ingress::reject_untimed;
use crate::operator::{DueWindow, Operator, OperatorContext, PartialAggregation, SentGroups};
use crate::state::Imaged;
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
    pub(super) input: GroupInput,
    output: SchemaRef,
    pub(super) waiting: PaneTables,
    /// What is on its way to other workers.
    pub(super) partial: Option<PartialPanes>,
    has_partial_aggregation: bool,
    pub(super) shown: BTreeMap<Window, Shown>,
    pub(super) touched: BTreeSet<Window>,
    /// The watermark of the time column.
    pub(super) reached: Watermark,
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
        let windows = self.waiting_windows(pane_ref);
        debug_assert!(!windows.is_empty(), "groups come before the last window that needs them is shown");
        self.waiting.merge(pane_ref, &windows, &groups, self.input.table()?)
    }

    /// The windows that take rows at `pane_ref` and are still to be shown.
    pub(super) fn waiting_windows(&self, pane_ref: PaneRef) -> Vec<Window> {
        let is_waiting = |window: &Window| pane_ref.is_taken_by(*window) && !self.was_due(*window);
        self.panes.windows_of(pane_ref.pane).filter(is_waiting).collect()
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

    fn due_window(&self) -> Option<DueWindow> {
        let on_the_way = self.partial.iter().flat_map(PartialPanes::pane_refs);
        let on_the_way = on_the_way.filter_map(|pane_ref| self.waiting_windows(pane_ref).into_iter().next());
        let window = self.waiting.next_due().into_iter().chain(on_the_way).min()?;
        let (start, end) = (self.panes.start(window), self.panes.end(window));
        let wait = if self.emission == WindowEmission::OnClose { self.lateness } else { 0 };
        Some(DueWindow { start, end, at: end.saturating_add(wait).saturating_add(self.time_lag) })
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

    fn sent_keys(&self) -> Range<usize> {
        sent_keys(self.waiting.assigned().table())
    }

    fn on_the_way(&self) -> Result<Vec<SentGroups>> {
        self.partial.as_ref().map_or(Ok(Vec::new()), PartialPanes::on_the_way)
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

impl WindowOperator {
    /// Whether a window was due at the watermark as it stands.
    pub(super) fn was_due(&self, window: Window) -> bool {
        let wait = if self.emission == WindowEmission::OnClose { self.lateness } else { 0 };
        !is_open(self.panes.end(window), wait, self.reached)
    }
}
