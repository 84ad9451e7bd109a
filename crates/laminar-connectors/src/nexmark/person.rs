//! The columns of `person`.

use arrow_array::ArrayRef;
use laminar_core::Result;

use super::events::newest_person;
use super::source::Making;
use super::text::{chosen, extra, written};

const FIRST_NAMES: [&str; 12] =
    ["Ada", "Blaise", "Carl", "Emmy", "Grace", "Hedy", "Ivan", "Joan", "Kurt", "Leonhard", "Mary", "Niels"];
const LAST_NAMES: [&str; 10] = ["Abel", "Banach", "Cantor", "Dirac", "Euler", "Fermat", "Gauss", "Hilbert", "Jacobi", "Klein"];
/// Queries of the benchmark look for people in OR, ID and CA.
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] =
    ["Bend", "Boise", "Cheyenne", "Kent", "Los Angeles", "Phoenix", "Portland", "Redmond", "San Francisco", "Seattle"];

/// Bytes that a row has on average.
const AVERAGE_BYTES: usize = 200;

pub(super) const COLUMNS: [(&str, super::source::Column); 8] = [
    ("id", |making| Ok(making.numbers(newest_person))),
    ("name", |making| name(making)),
    ("email_address", |making| email(making)),
    ("credit_card", |making| credit_card(making)),
    ("city", |making| city(making)),
    ("state", |making| state(making)),
    ("date_time", |making| making.times()),
    ("extra", |making| rest(making)),
];

fn pick<'a>(making: &Making<'_>, what: &str, list: &'a [&'a str]) -> impl Fn(u64) -> &'a str + use<'a> {
    let draws = making.draws(what);
    move |event| list[draws.below(event, list.len() as u64) as usize]
}

fn name(making: &Making<'_>) -> Result<ArrayRef> {
    let (first, last) = (pick(making, "first name", &FIRST_NAMES), pick(making, "last name", &LAST_NAMES));
    written(making.events, 14, |event, text| {
        text.extend_from_slice(first(event).as_bytes());
        text.push(b' ');
        text.extend_from_slice(last(event).as_bytes());
    })
}

fn email(making: &Making<'_>) -> Result<ArrayRef> {
    let draws = making.draws("email");
    written(making.events, 20, |event, text| {
        draws.letters(event, 7, text);
        text.push(b'@');
        draws.within(event).letters(1, 5, text);
        text.extend_from_slice(b".com");
    })
}

/// Four groups of four digits.
fn credit_card(making: &Making<'_>) -> Result<ArrayRef> {
    let draws = making.draws("credit card");
    written(making.events, 19, |event, text| {
        let mut digits = draws.below(event, 10_000_000_000_000_000);
        let mut card = *b"0000 0000 0000 0000";
        for digit in card.iter_mut().rev().filter(|byte| **byte != b' ') {
            *digit = b'0' + (digits % 10) as u8;
            digits /= 10;
        }
        text.extend_from_slice(&card);
    })
}

fn city(making: &Making<'_>) -> Result<ArrayRef> {
    chosen(making.events, 10, pick(making, "city", &CITIES))
}

fn state(making: &Making<'_>) -> Result<ArrayRef> {
    chosen(making.events, 2, pick(making, "state", &STATES))
}

fn rest(making: &Making<'_>) -> Result<ArrayRef> {
    let (first, last) = (pick(making, "first name", &FIRST_NAMES), pick(making, "last name", &LAST_NAMES));
    let city = pick(making, "city", &CITIES);
    // Id, time, state, email and card have 8 + 8 + 2 + 17 + 19 bytes, and there is a blank in the name.
    let used = |event| 55 + first(event).len() + last(event).len() + city(event).len();
    extra(making.events, AVERAGE_BYTES, used, making.draws("extra"))
}
