//! The columns of `auction`.

use arrow_array::ArrayRef;
use laminar_core::Result;

use super::events::{active_person, newest_auction};
use super::source::Making;
use super::text::{extra, phrase_length, words, written};

/// Bytes that a row has on average.
const AVERAGE_BYTES: usize = 500;
/// The lengths of an item's name and of its description.
const NAME_BYTES: (usize, usize) = (3, 20);
const DESCRIPTION_BYTES: (usize, usize) = (3, 100);
/// Queries of the benchmark look for category 10.
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;

pub(super) const COLUMNS: [(&str, super::source::Column); 10] = [
    ("id", |making| Ok(making.numbers(newest_auction))),
    ("item_name", |making| phrase(making, "item name", NAME_BYTES)),
    ("description", |making| phrase(making, "description", DESCRIPTION_BYTES)),
    ("initial_bid", |making| Ok(initial_bid(making))),
    ("reserve", |making| Ok(reserve(making))),
    ("date_time", |making| making.times()),
    ("expires", |making| expires(making)),
    ("seller", |making| Ok(seller(making))),
    ("category", |making| Ok(category(making))),
    ("extra", |making| rest(making)),
];

fn phrase(making: &Making<'_>, what: &str, bytes: (usize, usize)) -> Result<ArrayRef> {
    let draws = making.draws(what);
    written(making.events, bytes.1, |event, text| words(event, bytes, draws, text))
}

fn initial_bid(making: &Making<'_>) -> ArrayRef {
    let price = making.price("initial bid");
    making.numbers(price)
}

fn reserve(making: &Making<'_>) -> ArrayRef {
    let (first, above) = (making.price("initial bid"), making.price("reserve"));
    making.numbers(|event| first(event) + above(event))
}

fn expires(making: &Making<'_>) -> Result<ArrayRef> {
    let (draws, longest) = (making.draws("expires"), making.plan.timeline.longest_auction());
    making.times_after(|event| 1 + draws.below(event, longest))
}

fn seller(making: &Making<'_>) -> ArrayRef {
    let draws = making.draws("seller");
    making.numbers(|event| active_person(event, 0, draws))
}

fn category(making: &Making<'_>) -> ArrayRef {
    let draws = making.draws("category");
    making.numbers(|event| FIRST_CATEGORY + draws.below(event, CATEGORIES))
}

fn rest(making: &Making<'_>) -> Result<ArrayRef> {
    let (name, description) = (making.draws("item name"), making.draws("description"));
    // Seven numbers and times of 8 bytes each.
    let used = |event| 56 + phrase_length(event, NAME_BYTES, name) + phrase_length(event, DESCRIPTION_BYTES, description);
    extra(making.events, AVERAGE_BYTES, used, making.draws("extra"))
}
