//! What the Nexmark source promises: proportions, references that hold, sources that agree, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use laminar_core::Result;

use super::NexmarkConnector;
use crate::{Connector, Options, Source, SourcePoll, SourceRequest};

fn open(name: &str, schema: Option<SchemaRef>, options: &[(&str, &str)]) -> Result<Box<dyn Source>> {
    NexmarkConnector.open_source(SourceRequest {
        name: name.into(),
        schema,
        key: Vec::new(),
        options: Options::new(options.iter().map(|(name, value)| (name.to_string(), value.to_string()))),
        schema_was_found: false,
    })
}

fn read(mut source: Box<dyn Source>, rows_max: usize) -> RecordBatch {
    let mut batches = Vec::new();
    while let SourcePoll::Rows { changes, bad } = source.poll(rows_max).unwrap() {
        assert!(bad.is_empty() && changes.is_append() && changes.len() <= rows_max);
        batches.push(changes.rows().clone());
    }
    concat_batches(&source.schema(), &batches).unwrap()
}

fn rows(name: &str, options: &[(&str, &str)]) -> RecordBatch {
    read(open(name, None, options).unwrap(), 1000)
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn times(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<TimestampNanosecondType>().values().to_vec()
}

fn share(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}

const EVENTS: &[(&str, &str)] = &[("events", "100000")];

#[test]
fn the_three_streams_have_their_proportions_and_ids_from_1000() {
    let [person, auction, bid] = ["person", "auctions", "nexmark_bid"].map(|name| rows(name, EVENTS));
    assert_eq!([&person, &auction, &bid].map(RecordBatch::num_rows), [2000, 6000, 92_000]);
    assert_eq!(numbers(&person, "id"), (1000..3000).collect::<Vec<_>>());
    assert_eq!(numbers(&auction, "id"), (1000..7000).collect::<Vec<_>>());
}

#[test]
fn bids_and_auctions_refer_to_what_exists_at_their_time() {
    let [person, auction, bid] = ["person", "auction", "bid"].map(|name| rows(name, EVENTS));
    let since = |batch: &RecordBatch| numbers(batch, "id").into_iter().zip(times(batch, "date_time")).collect::<BTreeMap<_, _>>();
    let (people, auctions) = (since(&person), since(&auction));
    let holds = |batch: &RecordBatch, column: &str, referred: &BTreeMap<i64, i64>| {
        numbers(batch, column).iter().zip(times(batch, "date_time")).all(|(id, time)| referred[id] <= time)
    };
    assert!(holds(&bid, "auction", &auctions) && holds(&bid, "bidder", &people) && holds(&auction, "seller", &people));
    let bid_for: BTreeSet<i64> = numbers(&bid, "auction").into_iter().collect();
    assert!(share(bid_for.len(), auctions.len()) > 0.95, "bids are spread over all auctions");
}

#[test]
fn some_auctions_and_people_are_hot() {
    let (auction, bid) = (rows("auction", EVENTS), rows("bid", EVENTS));
    let hot = |batch: &RecordBatch, column: &str, offset: i64| {
        let ids = numbers(batch, column);
        share(ids.iter().filter(|id| *id % 100 == offset).count(), ids.len())
    };
    assert!((0.49..0.53).contains(&hot(&bid, "auction", 0)), "{}", hot(&bid, "auction", 0));
    assert!((0.72..0.78).contains(&hot(&bid, "bidder", 1)), "{}", hot(&bid, "bidder", 1));
    assert!((0.73..0.79).contains(&hot(&auction, "seller", 0)), "{}", hot(&auction, "seller", 0));
}

#[test]
fn prices_are_log_uniform_and_the_reserve_is_above_the_first_bid() {
    let prices = numbers(&rows("bid", EVENTS), "price");
    assert!(prices.iter().all(|price| (100..=100_000_000).contains(price)));
    assert!((0.48..0.52).contains(&share(prices.iter().filter(|price| **price < 100_000).count(), prices.len())));
    let auction = rows("auction", EVENTS);
    let (first, reserve) = (numbers(&auction, "initial_bid"), numbers(&auction, "reserve"));
    assert!(first.iter().zip(&reserve).all(|(first, reserve)| reserve >= &(first + 100)));
    assert_eq!(numbers(&auction, "category").into_iter().collect::<BTreeSet<_>>(), (10..15).collect());
}

#[test]
fn time_goes_by_the_rate_and_auctions_end_after_they_begin() {
    let options = [("events", "1000"), ("rate", "1000"), ("base_time", "1970-01-01 00:00:00")];
    assert_eq!(times(&rows("bid", &options), "date_time")[..3], [4_000_000, 5_000_000, 6_000_000]);
    let auction = rows("auction", &options);
    let open_for = times(&auction, "expires").into_iter().zip(times(&auction, "date_time")).map(|(end, start)| end - start);
    assert!(open_for.into_iter().all(|nanos| (1..=2 * 1_666_000_000).contains(&nanos)));
}

#[test]
fn rows_have_their_average_size() {
    let check = |name: &str, fixed: usize, without: &[&str], average: f64| {
        let batch = rows(name, EVENTS);
        let schema = batch.schema();
        let texts = schema.fields().iter().filter(|field| field.data_type() == &DataType::Utf8);
        let bytes: usize = texts
            .filter(|field| !without.contains(&field.name().as_str()))
            .map(|field| batch.column_by_name(field.name()).unwrap().as_string::<i32>().values().len())
            .sum();
        let mean = share(bytes, batch.num_rows()) + fixed as f64;
        assert!((mean / average - 1.0).abs() < 0.02, "{name}: {mean}");
    };
    check("person", 16, &[], 200.0);
    check("auction", 56, &[], 500.0);
    check("bid", 32, &["channel", "url"], 100.0);
}

#[test]
fn half_of_the_bids_come_over_hot_channels_and_a_page_names_its_channel() {
    let bid = rows("bid", EVENTS);
    let text = |column: &str| bid.column_by_name(column).unwrap().as_string::<i32>().clone();
    let (channels, urls) = (text("channel"), text("url"));
    let pairs: Vec<(&str, &str)> = channels.iter().flatten().zip(urls.iter().flatten()).collect();
    let hot = pairs.iter().filter(|(channel, _)| !channel.starts_with("channel-")).count();
    assert!((0.49..0.51).contains(&share(hot, pairs.len())));
    let named = pairs.iter().filter(|(_, url)| url.contains("channel_id=")).count();
    assert!((0.44..0.46).contains(&share(named, pairs.len())));
    for (channel, url) in pairs {
        assert!(url.split('/').skip(3).take(3).all(|folder| folder.len() == 5), "{url}");
        if let Some((_, number)) = url.split_once("&channel_id=") {
            assert_eq!(channel, format!("channel-{number}"));
        }
    }
}

#[test]
fn rows_do_not_depend_on_how_they_are_polled_nor_on_the_other_columns() {
    let options = [("events", "20000"), ("seed", "3"), ("out_of_order", "500")];
    for name in ["person", "auction", "bid"] {
        let whole = read(open(name, None, &options).unwrap(), 8192);
        assert_eq!(whole, read(open(name, None, &options).unwrap(), 13), "{name}");
        let all = whole.schema();
        for (index, field) in all.fields().iter().enumerate() {
            let alone = read(open(name, Some(Arc::new(Schema::new(vec![field.clone()]))), &options).unwrap(), 500);
            assert_eq!(alone.column(0), whole.column(index), "{name}.{}", field.name());
        }
    }
}

#[test]
fn out_of_order_changes_the_order_and_nothing_else() {
    let sorted = |options: &[(&str, &str)]| {
        let batch = rows("bid", &[EVENTS, options].concat());
        let mut bids: Vec<_> = times(&batch, "date_time").into_iter().zip(numbers(&batch, "price")).collect();
        let in_order = bids.is_sorted();
        bids.sort_unstable();
        (in_order, bids)
    };
    let ((straight, bids), (still_straight, shuffled)) = (sorted(&[]), sorted(&[("out_of_order", "1000")]));
    assert!(straight && !still_straight);
    assert_eq!(bids, shuffled);
}

#[test]
fn columns_are_matched_by_name_and_cast_to_what_was_declared() {
    let millis = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let fields = vec![
        Field::new("dateTime", millis, true),
        Field::new("itemname", DataType::Utf8View, true),
        Field::new("Seller", DataType::Int64, true),
    ];
    let batch = read(open("auction", Some(Arc::new(Schema::new(fields))), EVENTS).unwrap(), 1000);
    assert_eq!((batch.num_rows(), batch.num_columns(), batch.column(1).null_count()), (6000, 3, 0));
}

#[test]
fn what_cannot_work_is_refused_with_what_to_write_instead() {
    let check = |source: &str, column: Option<(&str, DataType)>, option: (&str, &str), expected: &str| {
        let schema = column.map(|(name, data_type)| Arc::new(Schema::new(vec![Field::new(name, data_type, true)])));
        let message = open(source, schema, &[option]).err().expect("refused").to_string();
        assert!(message.contains(expected), "{message}");
    };
    check("site", None, ("events", "5"), "add table = 'person', 'auction' or 'bid'");
    check("bids_of_a_person", None, ("events", "5"), "which Nexmark stream");
    check("site", None, ("tabel", "bid"), "did you mean 'table'?");
    check("x", None, ("table", "bids"), "did you mean 'bid'?");
    check("bid", None, ("event", "5"), "did you mean 'events'?");
    check("bid", None, ("rate", "0"), "at least 1");
    check("bid", None, ("base_time", "tomorrow"), "a time such as");
    check("bid", Some(("prize", DataType::Int64)), ("events", "5"), "did you mean 'price'?");
    check("bid", Some(("price", DataType::Utf8)), ("events", "5"), "'price' is BIGINT, not VARCHAR");
}
