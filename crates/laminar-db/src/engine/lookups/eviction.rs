//! Which answers of a lookup table are forgotten: those that are too old, and of too many those that were not of use lately.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use laminar_connectors::Options;
use laminar_core::changelog::{RowKeys, hash_rows};
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result};
use laminar_sql::parse::OptionDef;
use laminar_sql::plan::LOOKUP_COLUMNS;

use crate::catalog::ObjectId;
use crate::engine::{Engine, expanded};

/// The options of a cache.
const CACHE_OPTIONS: [&str; 2] = ["cache_rows", "cache_ttl"];

/// Answers that are kept, unless the option says otherwise.
const ROWS_MAX: usize = 100_000;

/// Of the answers that may be kept, the part that goes at once when there are too many: to look for them costs as much as all of them.
const EVICTED_PART: usize = 8;

/// The part of its time by which an answer may be older than it should be: those of a while go together.
const TTL_PART: i64 = 16;

/// How many answers are kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheBounds {
    rows_max: usize,
    /// Nanoseconds; `None`: as long as there is room.
    ttl: Option<i64>,
}

impl CacheBounds {
    /// What `cache_rows` and `cache_ttl` say.
    pub(crate) fn parse(said: &[OptionDef]) -> Result<Self> {
        let mut bounds = Self { rows_max: ROWS_MAX, ttl: None };
        for option in said {
            let mut options = Options::new([(option.key.clone(), option.value.clone())]);
            bounds.take(&mut options).map_err(|error| error.at(option.span))?;
        }
        Ok(bounds)
    }

    /// When an answer that was given at `asked_at` is looked at, with those that were given soon after it.
    fn expiry_of(self, asked_at: i64) -> Option<i64> {
        self.ttl.map(|ttl| asked_at.saturating_add(ttl).saturating_add(ttl / TTL_PART))
    }

    fn take(&mut self, options: &mut Options) -> Result<()> {
        if let Some(rows_max) = options.take_count("cache_rows")? {
            self.rows_max = rows_max;
        }
        if let Some(ttl) = options.take_duration("cache_ttl")? {
            let ttl = i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX);
            if ttl == 0 {
                let error = Error::new(
                    Code::InvalidOption,
                    "cache_ttl is longer than nothing: a row waits until its key is in the cache",
                );
                return Err(error.with_hint("write cache_ttl = '1 s' to ask again soon"));
            }
            self.ttl = Some(ttl);
        }
        options.finish("the cache of a lookup table", &CACHE_OPTIONS)
    }
}

/// The answers that a lookup table holds.
pub(super) struct Answers {
    rows: RecordBatch,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Those of keys without a row.
    pub(super) fn absent(&self) -> usize {
        let found = self.rows.column(self.rows.num_columns() - LOOKUP_COLUMNS.len()).as_boolean();
        found.len() - found.true_count()
    }

    /// Of these keys those without an answer.
    pub(super) fn without_answered(&self, key: &[usize], keys: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        let own: Vec<ArrayRef> = key.iter().map(|column| self.rows.column(*column).clone()).collect();
        let encoder = RowKeys::new(&own.iter().map(|column| column.data_type().clone()).collect::<Vec<_>>())?;
        let answered = encoder.encode(&own, self.len())?;
        let answered: HashSet<&[u8]> = (0..self.len()).map(|row| answered.row(row).data()).collect();
        let mut left = Vec::with_capacity(keys.len());
        for keys in keys {
            let encoded = encoder.encode(keys.columns(), keys.num_rows())?;
            let is_left = (0..keys.num_rows()).map(|row| Some(!answered.contains(encoded.row(row).data())));
            left.push(filter_record_batch(&keys, &is_left.collect::<BooleanArray>())?);
        }
        left.retain(|keys| keys.num_rows() > 0);
        Ok(left)
    }

    /// When each was given, in wall-clock nanoseconds.
    fn asked_at(&self) -> &[i64] {
        self.rows.column(self.rows.num_columns() - 1).as_primitive::<Int64Type>().values()
    }

    /// Those that are older than `before`.
    fn older_than(&self, before: i64) -> Vec<u32> {
        (0_u32..).zip(self.asked_at()).filter(|(_, asked_at)| **asked_at < before).map(|(row, _)| row).collect()
    }

    /// So `many`: first those of which no row made use since it was looked the last time, the older ones before the younger ones.
    fn least_used(&self, key: &[usize], used: &HashSet<u64>, many: usize) -> Result<Vec<u32>> {
        let keys: Vec<_> = key.iter().map(|column| self.rows.column(*column).clone()).collect();
        let hashes = hash_rows(&keys, self.len())?;
        let asked_at = self.asked_at();
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_by_key(|row| (used.contains(&hashes[*row as usize]), asked_at[*row as usize]));
        order.truncate(many);
        Ok(order)
    }
}

impl Engine {
    pub(super) fn answers(&self, output: NodeId) -> Result<Answers> {
        let graph = self.reactor.graph();
        let properties = graph.properties(output).ok_or_else(|| Error::internal(format!("there is no {output}")))?;
        let batches = graph.contents(output).unwrap_or_default();
        let batches = batches.iter().map(expanded).collect::<Result<Vec<_>>>()?;
        Ok(Answers { rows: concat_batches(&properties.schema, &batches)? })
    }

    /// Forgets answers of the lookup table `id`, if that is due. Rows that come for them wait until they are asked for anew.
    pub(super) fn evict(&mut self, id: ObjectId) -> Result<()> {
        let now = self.clock.now();
        let Some(lookup) = self.instances.lookup(id) else { return Ok(()) };
        let (source, output, bounds, answered) = (lookup.source, lookup.output, lookup.bounds, lookup.desk.answered());
        let is_expired = lookup.expires_at.is_some_and(|at| at <= now);
        if (lookup.seen == Some(answered) && !is_expired) || self.reactor.waiting_rows(source) > 0 {
            return Ok(());
        }
        let (is_first_look, key) = (lookup.seen.is_none(), lookup.key.clone());
        // None of the answers of which the last look knew nothing is older than now.
        let mut expires_at = lookup.expires_at.or_else(|| Some(bounds.expiry_of(now)?));
        let count = self.reactor.graph_mut().metrics(output)?.state_rows;
        let mut gone = None;
        if count > bounds.rows_max || bounds.ttl.is_some() && (is_expired || is_first_look) {
            let answers = self.answers(output)?;
            let rows = self.forgotten_answers(&answers, bounds, &key, (output, now))?;
            let kept = (0_u32..).zip(answers.asked_at()).filter(|(row, _)| rows.binary_search(row).is_err());
            expires_at = kept.map(|(_, asked_at)| *asked_at).min().and_then(|first| bounds.expiry_of(first));
            if !rows.is_empty() {
                gone = Some(take_record_batch(&answers.rows, &UInt32Array::from(rows))?);
            }
        }
        if let Some(lookup) = self.instances.lookup_mut(id) {
            (lookup.seen, lookup.expires_at) = (Some(answered), expires_at);
        }
        gone.map_or(Ok(()), |rows| self.take_in(id, source, ChangeBatch::retract(rows)))
    }

    /// Which of the answers are forgotten now, ascending.
    fn forgotten_answers(
        &mut self,
        answers: &Answers,
        bounds: CacheBounds,
        key: &[usize],
        (output, now): (NodeId, i64),
    ) -> Result<Vec<u32>> {
        let mut rows = bounds.ttl.map_or_else(Vec::new, |ttl| answers.older_than(now.saturating_sub(ttl).saturating_add(1)));
        if answers.len() - rows.len() > bounds.rows_max {
            let many = answers.len() - (bounds.rows_max - bounds.rows_max / EVICTED_PART);
            rows.extend(answers.least_used(key, &self.used_keys(output)?, many)?);
            rows.sort_unstable();
            rows.dedup();
        }
        Ok(rows)
    }

    /// The hashes of the keys that rows found in a table since they were asked for the last time.
    fn used_keys(&mut self, output: NodeId) -> Result<HashSet<u64>> {
        let mut used = HashSet::new();
        for join in self.lookup_joins(output) {
            used.extend(self.reactor.graph_mut().take_used_keys(join)?);
        }
        Ok(used)
    }
}
