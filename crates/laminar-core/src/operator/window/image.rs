//! Images of windows: what an operator remembers, and how it comes back from the images of one worker or of several.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_select::concat::concat_batches;

use super::operator::WindowOperator;
use super::pane_ref::PaneRef;
use super::shown::Shown;
use crate::state::{Imaged, Ownership, StateImage, map_bytes};
use crate::time::{Watermark, Window};
use crate::{Code, Error, Result};

/// Tables of an image: the watermark; the pane refs with how many groups each has, and all those groups; which windows are shown,
/// and their tables.
const REACHED: &str = "watermark";
const PLACES: &str = "pane_refs";
const PANES: &str = "panes";
const WINDOWS: &str = "windows";
const WINDOW: &str = "window";

impl Imaged for WindowOperator {
    fn image(&mut self) -> Result<StateImage> {
        debug_assert!(self.touched.is_empty(), "images are taken between steps");
        let mut image = StateImage::default();
        image.push(REACHED, numbers([vec![self.reached.0]])?);
        let (pane_refs, groups) = self.waiting.assigned().image()?;
        let (panes, froms) = pane_refs.iter().map(|(pane_ref, _)| (pane_ref.pane, pane_ref.from)).unzip();
        image.push(PLACES, numbers([panes, froms, pane_refs.iter().map(|(_, groups)| *groups as i64).collect()])?);
        image.push(PANES, groups);
        let (firsts, ends) = self.shown.keys().map(|window| (window.first, window.end)).unzip();
        image.push(WINDOWS, numbers([firsts, ends])?);
        for shown in self.shown.values() {
            image.push(WINDOW, shown.table().image()?);
        }
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        self.reached = reached(parts)?;
        self.restore_waiting(parts, owned)?;
        for (window, tables) in tables_of_windows(parts)? {
            let mut table = self.input.table()?;
            table.restore_parts(&tables, owned)?;
            if !table.is_empty() {
                self.shown.insert(window, Shown::new(table));
            }
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        let partial = self.partial.as_ref().map_or(0, |partial| partial.len());
        self.waiting.assigned().len() + partial + self.shown.values().map(|shown| shown.table().len()).sum::<usize>()
    }

    fn bytes(&self) -> usize {
        let partial = self.partial.as_ref().map_or(0, |partial| partial.bytes());
        self.waiting.bytes() + partial + map_bytes(&self.shown) + self.shown.values().map(Shown::bytes).sum::<usize>()
    }
}

impl WindowOperator {
    fn restore_waiting(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        let mut groups: BTreeMap<PaneRef, Vec<RecordBatch>> = BTreeMap::new();
        for image in parts {
            for (pane_ref, rows) in groups_of_panes(image)? {
                let rows = self.waiting.assigned().table().owned_rows(&rows, owned)?;
                if rows.num_rows() > 0 {
                    groups.entry(pane_ref).or_default().push(rows);
                }
            }
        }
        groups.keys().for_each(|pane_ref| self.waiting.expect(self.waiting_windows(*pane_ref)));
        let count = |rows: &Vec<RecordBatch>| rows.iter().map(RecordBatch::num_rows).sum();
        let pane_refs: Vec<(PaneRef, usize)> = groups.iter().map(|(pane_ref, rows)| (*pane_ref, count(rows))).collect();
        let rows: Vec<RecordBatch> = groups.into_values().flatten().collect();
        match rows.first() {
            Some(first) => self.waiting.restore(&pane_refs, &concat_batches(first.schema_ref(), &rows)?),
            None => Ok(()),
        }
    }
}

/// How far time had come. Where workers differ, what one has shown and another has not could not be told apart any more.
fn reached(parts: &[&StateImage]) -> Result<Watermark> {
    let reached = parts.iter().map(|image| Ok(Watermark(column(image.get(REACHED)?, 0)[0]))).collect::<Result<Vec<_>>>()?;
    if reached.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(reached.first().copied().unwrap_or(Watermark::START));
    }
    Err(Error::new(Code::NotSupported, "the workers of a window have reached different times")
        .with_hint("try again when EMIT EVERY holds nothing back"))
}

/// The groups at each pane ref of an image.
fn groups_of_panes(image: &StateImage) -> Result<Vec<(PaneRef, RecordBatch)>> {
    let (pane_refs, groups) = (image.get(PLACES)?, image.get(PANES)?);
    let mut begin = 0;
    let ends = column(pane_refs, 0).iter().zip(column(pane_refs, 1)).zip(column(pane_refs, 2));
    let slices = ends.map(|((pane, from), count)| {
        let rows = groups.slice(begin, *count as usize);
        begin += *count as usize;
        (PaneRef { pane: *pane, from: *from }, rows)
    });
    Ok(slices.collect())
}

/// The tables of each window that is shown.
fn tables_of_windows<'a>(parts: &[&'a StateImage]) -> Result<BTreeMap<Window, Vec<&'a RecordBatch>>> {
    let mut tables: BTreeMap<Window, Vec<&RecordBatch>> = BTreeMap::new();
    for image in parts {
        let windows = image.get(WINDOWS)?;
        for ((first, end), rows) in column(windows, 0).iter().zip(column(windows, 1)).zip(image.all(WINDOW)) {
            tables.entry(Window { first: *first, end: *end }).or_default().push(rows?);
        }
    }
    Ok(tables)
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
