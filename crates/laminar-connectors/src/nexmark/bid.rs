//! The columns of `bid`.

use arrow_array::ArrayRef;

use super::events::{active_auction, active_person};
use super::source::Making;
use super::text::{chosen, extra};
use crate::generator::random::Draws;

/// Bytes that a row has on average, without channel and url.
const AVERAGE_BYTES: usize = 100;
/// The channels over which half of the bids come.
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
/// The number of the other channels.
const CHANNELS: u64 = 10_000;

pub(super) const COLUMNS: [(&str, super::source::Column); 7] = [
    ("auction", |making| Ok(auction(making))),
    ("bidder", |making| Ok(bidder(making))),
    ("price", |making| Ok(price(making))),
    ("channel", |making| chosen(making.events, 12, |event| making.plan.channels.name(event))),
    ("url", |making| chosen(making.events, 72, |event| making.plan.channels.url(event))),
    ("date_time", |making| making.times()),
    ("extra", |making| extra(making.events, AVERAGE_BYTES, |_| 32, making.draws("extra"))),
];

fn auction(making: &Making<'_>) -> ArrayRef {
    let draws = making.draws("auction");
    making.numbers(|event| active_auction(event, draws))
}

fn bidder(making: &Making<'_>) -> ArrayRef {
    let draws = making.draws("bidder");
    making.numbers(|event| active_person(event, 1, draws))
}

fn price(making: &Making<'_>) -> ArrayRef {
    let price = making.price("price");
    making.numbers(price)
}

/// Names and pages of all channels. A page belongs to its channel, so both are made once.
pub(super) struct Channels {
    draws: Draws,
    names: Vec<String>,
    urls: Vec<String>,
}

impl Channels {
    pub(super) fn new(seed: u64) -> Self {
        let hot = HOT_CHANNELS.iter().map(|name| (*name).to_owned());
        let names = hot.chain((0..CHANNELS).map(|number| format!("channel-{number}"))).collect();
        let pages = Draws::new(seed, "bid: page");
        let urls = (0..HOT_CHANNELS.len() as u64 + CHANNELS).map(|channel| url(channel, pages)).collect();
        Self { draws: Draws::new(seed, "bid: channel"), names, urls }
    }

    fn name(&self, event: u64) -> &str {
        &self.names[self.of(event)]
    }

    fn url(&self, event: u64) -> &str {
        &self.urls[self.of(event)]
    }

    fn of(&self, event: u64) -> usize {
        let (bits, hot) = (self.draws.bits(event), HOT_CHANNELS.len() as u64);
        let channel = if bits & 1 != 0 { (bits >> 1) % hot } else { hot + self.draws.within(event).below(1, CHANNELS) };
        channel as usize
    }
}

/// Three folders of five letters; nine of ten channels that are not hot are named at the end.
fn url(channel: u64, pages: Draws) -> String {
    let mut folders = Vec::with_capacity(15);
    pages.letters(channel, 15, &mut folders);
    let folders: String = folders.into_iter().map(char::from).collect();
    let page = format!("https://www.nexmark.com/{}/{}/{}/item.htm?query=1", &folders[..5], &folders[5..10], &folders[10..]);
    match channel.checked_sub(HOT_CHANNELS.len() as u64) {
        Some(number) if pages.within(channel).below(1, 10) != 0 => format!("{page}&channel_id={number}"),
        _ => page,
    }
}
