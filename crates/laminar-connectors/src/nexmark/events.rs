//! The common numbering of all events: which stream an event belongs to, its id, its time, and who exists by then.

use crate::generator::random::Draws;

/// Events after which the pattern of streams repeats.
const CYCLE: u64 = 50;
/// Auctions in a cycle, after its one person; bids are the rest.
const AUCTIONS: u64 = 3;
/// The id of the first person and of the first auction.
const FIRST_ID: u64 = 1000;
/// People whose id is a multiple of this, and auctions, are hot until the next one comes.
const HOT_EVERY: u64 = 100;
/// People who still sell and bid: the newest.
const ACTIVE_PEOPLE: u64 = 1000;
/// Auctions behind the newest that still get bids.
const AUCTIONS_IN_FLIGHT: u64 = 100;

/// One of the three streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Somebody registers.
    Person,
    /// Somebody offers an item.
    Auction,
    /// Somebody bids for an item.
    Bid,
}

impl Table {
    /// All streams by name.
    pub(super) const CHOICES: [(&'static str, Table); 3] =
        [("person", Table::Person), ("auction", Table::Auction), ("bid", Table::Bid)];

    /// The stream of event `event`.
    pub(super) fn of(event: u64) -> Table {
        match event % CYCLE {
            0 => Table::Person,
            place if place <= AUCTIONS => Table::Auction,
            _ => Table::Bid,
        }
    }

    /// The places in a cycle that belong to the stream: the first, and how many.
    fn places(self) -> (u64, u64) {
        match self {
            Table::Person => (0, 1),
            Table::Auction => (1, AUCTIONS),
            Table::Bid => (1 + AUCTIONS, CYCLE - 1 - AUCTIONS),
        }
    }

    /// The number of the event that is row `row` of the stream.
    pub(super) fn event(self, row: u64) -> u64 {
        let (first, count) = self.places();
        row / count * CYCLE + first + row % count
    }

    /// How many of the first `events` events belong to the stream.
    pub(super) fn rows(self, events: u64) -> u64 {
        let (first, count) = self.places();
        events / CYCLE * count + (events % CYCLE).saturating_sub(first).min(count)
    }
}

/// When events happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// The time of event 0, in nanoseconds.
    pub(super) base: i64,
    /// Events per second.
    pub(super) rate: u64,
}

impl Timeline {
    /// The time of event `event`, in nanoseconds; `None` after the year 2262.
    pub(super) fn at(self, event: u64) -> Option<i64> {
        let nanos = u128::from(event) * 1_000_000_000 / u128::from(self.rate);
        i64::try_from(nanos).ok().and_then(|nanos| self.base.checked_add(nanos))
    }

    /// The longest time that an auction stays open, in nanoseconds: twice what 100 further auctions take.
    pub(super) fn longest_auction(self) -> u64 {
        let events = AUCTIONS_IN_FLIGHT * CYCLE / AUCTIONS;
        let nanos = u128::from(events) * 2_000_000_000 / u128::from(self.rate);
        u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
    }
}

/// The id of the newest person after event `event`; that of the event's own person if it is one.
pub(super) fn newest_person(event: u64) -> u64 {
    FIRST_ID + event / CYCLE
}

/// The id of the newest auction after event `event`; the first auction's before there is one.
pub(super) fn newest_auction(event: u64) -> u64 {
    FIRST_ID + Table::Auction.rows(event + 1).saturating_sub(1)
}

/// Who sells or bids at `event`: 3 of 4 times the newest person with a round id (`hot_offset` after it, so that the hot
/// seller and the hot bidder are two people), else one of the newest 1000.
#[inline]
pub(super) fn active_person(event: u64, hot_offset: u64, draws: Draws) -> u64 {
    let (newest, bits) = (newest_person(event), draws.bits(event));
    if bits & 3 != 0 {
        return (newest / HOT_EVERY * HOT_EVERY + hot_offset).min(newest);
    }
    let active = (newest - FIRST_ID + 1).min(ACTIVE_PEOPLE);
    newest - draws.within(event).below(1, active)
}

/// What is bid for at `event`: half of the times the newest auction with a round id, else one of the newest 101.
#[inline]
pub(super) fn active_auction(event: u64, draws: Draws) -> u64 {
    let (newest, bits) = (newest_auction(event), draws.bits(event));
    if bits & 1 != 0 {
        return newest / HOT_EVERY * HOT_EVERY;
    }
    let active = (newest - FIRST_ID + 1).min(AUCTIONS_IN_FLIGHT + 1);
    newest - draws.within(event).below(1, active)
}

/// The order in which the events of a stream come: by number, or shuffled within groups of `group` events.
#[derive(Debug, Clone)]
pub(super) struct Arrivals {
    table: Table,
    /// Events in all.
    events: u64,
    group: u64,
    /// Rows handed out, if in order; else places looked at.
    next: u64,
}

impl Arrivals {
    pub(super) fn new(table: Table, events: u64, group: u64) -> Self {
        Self { table, events, group: group.max(1), next: 0 }
    }

    /// How far it has come: what [`go_on_at`](Self::go_on_at) takes.
    pub(super) fn place(&self) -> u64 {
        self.next
    }

    /// Goes on where an earlier one with the same settings had come to.
    pub(super) fn go_on_at(&mut self, place: u64) {
        self.next = place;
    }

    /// Appends the numbers of the next events, at most `count`.
    pub(super) fn take(&mut self, count: usize, into: &mut Vec<u64>) {
        if self.group == 1 {
            let end = self.table.rows(self.events).min(self.next.saturating_add(count as u64));
            into.extend((self.next..end).map(|row| self.table.event(row)));
            self.next = end;
            return;
        }
        while into.len() < count && self.next < self.events {
            let event = self.shuffled(self.next);
            self.next += 1;
            if Table::of(event) == self.table {
                into.push(event);
            }
        }
    }

    /// The event at a place: strides that have no divisor in common with the group's size visit all of it once.
    fn shuffled(&self, place: u64) -> u64 {
        let first = place / self.group * self.group;
        let size = self.group.min(self.events - first);
        let stride = if size.is_multiple_of(953) { 967 } else { 953 };
        let offset = u128::from(place - first) * stride % u128::from(size);
        first + offset as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_fifty_events_one_is_a_person_three_are_auctions_and_the_rest_are_bids() {
        for (_, table) in Table::CHOICES {
            let ours: Vec<u64> = (0..1000).filter(|event| Table::of(*event) == table).collect();
            assert_eq!((0..ours.len() as u64).map(|row| table.event(row)).collect::<Vec<_>>(), ours);
            for events in 0..1000 {
                let expected = ours.iter().filter(|event| **event < events).count() as u64;
                assert_eq!(table.rows(events), expected, "{table:?} of {events}");
            }
        }
        assert_eq!(Table::CHOICES.map(|(_, table)| table.rows(50)), [1, 3, 46]);
    }

    #[test]
    fn nobody_is_referred_to_before_they_exist() {
        let draws = Draws::new(5, "who");
        for event in (0..100_000).filter(|event| Table::of(*event) == Table::Bid) {
            let people = 1000..1000 + Table::Person.rows(event);
            assert!(people.contains(&active_person(event, 0, draws)) && people.contains(&active_person(event, 1, draws)));
            assert!((1000..1000 + Table::Auction.rows(event)).contains(&active_auction(event, draws)));
        }
    }

    #[test]
    fn shuffled_events_are_all_events_once_and_stay_in_their_group() {
        for (events, group) in [(10_000, 1000), (953 * 4, 953), (5000, 953 * 2), (10, 50), (4001, 1000)] {
            let mut all = Vec::new();
            for (_, table) in Table::CHOICES {
                let (mut arrivals, mut ours) = (Arrivals::new(table, events, group), Vec::new());
                while ours.len() < table.rows(events) as usize {
                    let wanted = ours.len() + 7;
                    arrivals.take(wanted, &mut ours);
                }
                assert!(ours.windows(2).all(|pair| pair[0] / group <= pair[1] / group));
                all.extend(ours);
            }
            all.sort_unstable();
            assert_eq!(all, (0..events).collect::<Vec<_>>(), "{events} in groups of {group}");
        }
    }

    #[test]
    fn time_goes_by_the_rate_and_stops_before_it_overflows() {
        let timeline = Timeline { base: 5, rate: 3 };
        assert_eq!([0, 1, 2, 3].map(|event| timeline.at(event)), [5, 333_333_338, 666_666_671, 1_000_000_005].map(Some));
        assert_eq!(timeline.at(u64::MAX), None);
    }
}
