//! Groups by tumbling, hopping or cumulating window and key: what happens when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;

use super::ahead::{Ahead, arrived};
use super::input::{Evaluated, GroupInput};
use super::output::{ResultRows, check_alignment};
use super::pane_tables::PaneTables;
use super::place::{Door, Place, Taken, Whereabouts, is_open};
use super::placed_groups::PlacedGroups;
use super::shown::Shown;
use crate::dag::{EdgeProperties, WindowEmission, WindowSpec};
use crate::operator::aggregate::GroupTable;
use crate::operator::difference::Difference;
use crate::operator::ingress::reject_untimed;
use crate::operator::{FirstPhase, Operator, OperatorContext, SentGroups, can_be_sent};
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
    ahead: Option<Ahead>,
    has_first_phase: bool,
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
            has_first_phase: once && can_be_sent(&spec.aggregates, input),
            ahead: None,
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

    /// Evaluates a batch and finds the places of its rows; those that no window takes are rejected.
    fn take_in(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Taken> {
        let (changes, rows) = self.input.evaluate(changes, cx)?;
        let times = to_nanos(changes.column(self.time))?;
        let door = Door { panes: &self.panes, time_lag: self.time_lag, lateness: self.lateness, watermark: cx.watermark() };
        let whereabouts = match door.few_places(&changes, &times) {
            Some(few) if few.places.len() == 1 => Whereabouts::One(few.places[0]),
            Some(few) => Whereabouts::Few(few),
            None => {
                let panes = self.panes.panes_of(&times);
                reject_untimed(&changes, self.time, &panes, cx)?;
                let mut placed = door.place(&changes, &panes);
                placed.reject(&changes, &self.panes, cx)?;
                match placed.only_place(changes.len()) {
                    Some(only) => Whereabouts::One(only),
                    None => Whereabouts::Apart(placed.rows.into_iter().map(|(place, rows)| (place, rows.into())).collect()),
                }
            }
        };
        Ok(Taken { rows, whereabouts })
    }

    /// Adds rows to every window that takes them.
    fn add_taken(&mut self, taken: &Taken) -> Result<()> {
        let rows = &taken.rows;
        let add_apart = |operator: &mut Self, apart: &[(Place, UInt32Array)]| {
            apart.iter().try_for_each(|(place, at)| operator.add(*place, &rows.take(at)?))
        };
        match &taken.whereabouts {
            Whereabouts::One(only) => self.add(*only, rows),
            Whereabouts::Few(few) if few.places.iter().any(|place| self.is_shown_at(*place)) => add_apart(self, &few.apart()),
            Whereabouts::Few(few) => self.waiting.add_each(few, rows),
            Whereabouts::Apart(apart) => add_apart(self, apart),
        }
    }

    /// Adds rows that all belong to one place to every window that takes them.
    fn add(&mut self, place: Place, rows: &Evaluated) -> Result<()> {
        let windows = self.panes.windows_of(place.pane).filter(|window| place.is_taken_by(*window));
        let (shown, waiting): (Vec<Window>, Vec<Window>) = windows.partition(|window| self.is_shown(*window));
        if !waiting.is_empty() {
            self.waiting.add(place, &waiting, rows)?;
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
        let Some((place, groups)) = arrived(groups)? else { return Ok(()) };
        let windows = self.panes.windows_of(place.pane).filter(|window| place.is_taken_by(*window) && !self.was_due(*window));
        let windows: Vec<Window> = windows.collect();
        debug_assert!(!windows.is_empty(), "groups come before the last window that needs them is shown");
        self.waiting.merge(place, &windows, &groups, self.input.table()?)
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

    /// Whether one of the windows that take rows at `place` is shown.
    fn is_shown_at(&self, place: Place) -> bool {
        let mut windows = self.panes.windows_of(place.pane).filter(|window| place.is_taken_by(*window));
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

    fn first_phase(&mut self) -> Option<&mut dyn FirstPhase> {
        if !self.has_first_phase {
            return None;
        }
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl FirstPhase for WindowOperator {
    fn absorb(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Option<ChangeBatch>> {
        let mut ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => Ahead::new(&self.input)?,
        };
        let back = match ahead.takes(changes.len()) {
            true => self.take_in(changes, cx).and_then(|taken| ahead.add(&taken)).map(|()| None),
            false => Ok(Some(changes)),
        };
        self.ahead = Some(ahead);
        back
    }

    fn leave(&mut self, until: Watermark) -> Result<Vec<SentGroups>> {
        let Some(ahead) = &mut self.ahead else { return Ok(Vec::new()) };
        let (panes, lateness, reached) = (&self.panes, self.lateness, until.held_back(self.time_lag));
        ahead.leave(|place| {
            let first = panes.windows_of(place.pane).find(|window| place.is_taken_by(*window));
            first.is_none_or(|window| !is_open(panes.end(window), lateness, reached))
        })
    }
}

/// Tables of an image: the watermark; the places with how many groups each has, and all those groups; which windows are shown,
/// and their tables; if there are any, the places and groups that are on their way to other workers.
const REACHED: &str = "watermark";
const PLACES: &str = "places";
const PANES: &str = "panes";
const WINDOWS: &str = "windows";
const WINDOW: &str = "window";
const AHEAD_PLACES: &str = "places ahead";
const AHEAD_PANES: &str = "panes ahead";

impl Imaged for WindowOperator {
    fn image(&mut self) -> Result<StateImage> {
        debug_assert!(self.touched.is_empty(), "images are taken between steps");
        let mut image = StateImage::default();
        image.push(REACHED, numbers([vec![self.reached.0]])?);
        push_placed(&mut image, [PLACES, PANES], self.waiting.placed())?;
        if let Some(ahead) = self.ahead.as_ref().filter(|ahead| ahead.placed().first_place().is_some()) {
            push_placed(&mut image, [AHEAD_PLACES, AHEAD_PANES], ahead.placed())?;
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
        let places = places_in(image.get(PLACES)?);
        for (place, _) in &places {
            let is_waiting = |window: &Window| place.is_taken_by(*window) && !self.was_due(*window);
            let windows: Vec<Window> = self.panes.windows_of(place.pane).filter(is_waiting).collect();
            self.waiting.expect(windows);
        }
        self.waiting.restore(&places, image.get(PANES)?)?;
        if let Some(places) = image.all(AHEAD_PLACES).next() {
            let mut ahead = Ahead::new(&self.input)?;
            ahead.restore(&places_in(places), image.get(AHEAD_PANES)?)?;
            self.ahead = Some(ahead);
        }
        let windows = image.get(WINDOWS)?;
        for ((first, end), rows) in column(windows, 0).iter().zip(column(windows, 1)).zip(image.all(WINDOW)) {
            let window = Window { first: *first, end: *end };
            self.shown.insert(window, Shown::new(restored(&self.input, rows)?));
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let ahead = self.ahead.as_ref().map_or(0, |ahead| ahead.placed().bytes());
        self.waiting.bytes() + ahead + self.shown.values().map(|shown| shown.table().bytes()).sum::<usize>()
    }
}

impl WindowOperator {
    /// Whether a window was due at the watermark as it stands.
    fn was_due(&self, window: Window) -> bool {
        let wait = if self.emission == WindowEmission::OnClose { self.lateness } else { 0 };
        !is_open(self.panes.end(window), wait, self.reached)
    }
}

fn push_placed(image: &mut StateImage, [places_name, groups_name]: [&'static str; 2], placed: &PlacedGroups) -> Result<()> {
    let (places, groups) = placed.image()?;
    let (panes, froms) = places.iter().map(|(place, _)| (place.pane, place.from)).unzip();
    image.push(places_name, numbers([panes, froms, places.iter().map(|(_, groups)| *groups as i64).collect()])?);
    image.push(groups_name, groups);
    Ok(())
}

/// Places with how many groups each has.
fn places_in(rows: &RecordBatch) -> Vec<(Place, usize)> {
    let froms_and_groups = column(rows, 1).iter().zip(column(rows, 2));
    let places = column(rows, 0).iter().zip(froms_and_groups);
    places.map(|(pane, (from, groups))| (Place { pane: *pane, from: *from }, *groups as usize)).collect()
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
