//! Sources of one group keep together: one whose watermark is too far ahead of the slowest is not read for a while.
//!
//! What waits is decided by [`waits_for`] alone, from watermarks and from who can still deliver; so the slowest of those never waits.

use laminar_core::NodeId;
use laminar_core::reactor::Reactor;
use laminar_core::time::Watermark;

use super::Engine;
use super::readers::{Reader, Readers};
use crate::catalog::{Alignment, Definition, ObjectId};

/// Readers that are not asked for more for now.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// All readers but those of lookup tables: the process takes all the memory that it may.
    everything: bool,
    /// All readers of these objects: a subscription that waits for its reader holds them back.
    objects: Vec<ObjectId>,
    /// The readers at these nodes: they wait for others of their group.
    nodes: Vec<NodeId>,
}

impl Held {
    /// Whether everything waits until memory is freed.
    pub(super) fn is_for_memory(&self) -> bool {
        self.everything
    }

    pub(super) fn holds(&self, reader: &Reader) -> bool {
        self.everything && !reader.answers() || self.nodes.contains(&reader.node) || self.objects.contains(&reader.object)
    }
}

/// A source of some group, as its reader stands.
#[derive(Debug, Clone)]
struct Member<'a> {
    alignment: &'a Alignment,
    watermark: Watermark,
    /// Whether others wait for it: it can still deliver, nothing else holds it back, and it is not silent.
    counts: bool,
}

/// For each member the one for which it waits: the slowest of its group, if that is too far behind.
fn waits_for(members: &[Member<'_>]) -> Vec<Option<usize>> {
    let slowest = |group: &str| {
        let counts = |(_, other): &(usize, &Member<'_>)| other.counts && other.alignment.group == group;
        members.iter().enumerate().filter(counts).min_by_key(|(_, other)| other.watermark)
    };
    let waits = |member: &Member<'_>| {
        let (at, slowest) = slowest(&member.alignment.group)?;
        let ahead = member.watermark.0.saturating_sub(slowest.watermark.0);
        (ahead > member.alignment.max_drift).then_some(at)
    };
    members.iter().map(waits).collect()
}

impl Engine {
    /// The readers that are not to be asked now; the sources of those are told that their silence means nothing.
    pub(crate) fn hold(&mut self, now: i64) -> Held {
        let objects = self.held_back();
        let nodes = self.aligned(&objects, now).into_iter().map(|(node, _)| node).collect();
        let held = Held { everything: self.is_out_of_memory(), objects, nodes };
        self.readers.pause(&mut self.reactor, &held, now);
        held
    }

    /// The source for which a source waits now.
    pub(crate) fn waits_for(&self, id: ObjectId) -> Option<ObjectId> {
        let waiting = self.aligned(&self.held_back(), self.clock.now());
        let of_source = |node: &NodeId| self.readers.of_node(*node).is_some_and(|reader| reader.object == id);
        waiting.into_iter().find(|(node, _)| of_source(node)).map(|(_, slowest)| slowest)
    }

    /// The readers that wait, each with the source for which it does. A reader of an object that is `held_back` holds no other.
    fn aligned(&self, held_back: &[ObjectId], now: i64) -> Vec<(NodeId, ObjectId)> {
        let mut members = Vec::new();
        let mut readers = Vec::new();
        for reader in self.readers.iter().filter(|reader| reader.is_open()) {
            let definition = self.catalog.object(reader.object).map(|object| &object.definition);
            let Some(Definition::Source(source)) = definition else { continue };
            let Some(alignment) = &source.alignment else { continue };
            let counts = !held_back.contains(&reader.object) && !reader.is_silent(now, source.idle_timeout);
            let watermark = self.reactor.graph().watermark(reader.node).unwrap_or(Watermark::START);
            members.push(Member { alignment, watermark, counts });
            readers.push(reader);
        }
        let waiting = waits_for(&members).into_iter().zip(&readers);
        waiting.filter_map(|(slowest, reader)| Some((reader.node, readers[slowest?].object))).collect()
    }
}

impl Readers {
    /// Tells the sources of readers that are held from now on, or no longer. What is away is not silent either: its rows would be late when it is back.
    fn pause(&mut self, reactor: &mut Reactor, held: &Held, now: i64) {
        for reader in self.iter_mut() {
            let is_held = held.holds(reader) || reader.trouble().is_some();
            if reader.set_held(is_held, now) && reactor.pause(reader.node, is_held).is_err() {
                // A node that is gone is no longer asked either.
                reader.set_held(false, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;

    /// Who waits for whom, given group, watermark and whether it counts.
    fn check(members: &[(&str, i64, bool)], expected: &[Option<usize>]) {
        let of = |group: &&str| Alignment { group: (*group).to_owned(), max_drift: MINUTE };
        let alignments: Vec<Alignment> = members.iter().map(|(group, ..)| of(group)).collect();
        let member = |(alignment, (_, watermark, counts))| Member { alignment, watermark: Watermark(watermark), counts };
        let members: Vec<Member<'_>> = alignments.iter().zip(members.iter().copied()).map(member).collect();
        assert_eq!(waits_for(&members), expected, "{members:?}");
    }

    #[test]
    fn who_is_too_far_ahead_waits_for_the_slowest_that_counts() {
        check(&[("g", 0, true), ("g", 60, true), ("g", 61, true)], &[None, None, Some(0)]);
        check(&[("g", 0, true), ("h", 100, true)], &[None, None]);
        // Ended, silent and held back sources hold no other back.
        check(&[("g", 0, false), ("g", 100, true), ("g", 200, true)], &[None, None, Some(1)]);
        check(&[("g", 0, false), ("g", 100, false)], &[None, None]);
        // One that has not begun is the slowest; if none has, all begin.
        check(&[("g", i64::MIN, true), ("g", 5, true)], &[None, Some(0)]);
        check(&[("g", i64::MIN, true), ("g", i64::MIN, true)], &[None, None]);
    }

    #[test]
    fn the_slowest_that_counts_never_waits() {
        for case in 0..3_i64.pow(4) {
            let member = |at: u32| ("g", case / 3_i64.pow(at) % 3 * 100, (case + i64::from(at)) % 2 == 0);
            let members: Vec<(&str, i64, bool)> = (0..4).map(member).collect();
            let alignment = Alignment { group: "g".to_owned(), max_drift: MINUTE };
            let of = |(_, watermark, counts): &(&str, i64, bool)| Member {
                alignment: &alignment,
                watermark: Watermark(*watermark),
                counts: *counts,
            };
            let waiting = waits_for(&members.iter().map(of).collect::<Vec<_>>());
            let some_count = members.iter().any(|(_, _, counts)| *counts);
            let some_go_on = members.iter().zip(&waiting).any(|((_, _, counts), waits)| *counts && waits.is_none());
            assert!(!some_count && waiting.iter().all(Option::is_none) || some_go_on, "{members:?}: {waiting:?}");
        }
    }
}
