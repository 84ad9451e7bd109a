//! What became of all queries.

use std::collections::BTreeMap;
use std::fmt;

use super::case::{Case, Outcome, Postgres};

/// So many queries that only PostgreSQL refuses are printed.
const STRANGE_SHOWN: usize = 5;

/// A line of progress is printed after so many queries.
const PROGRESS: usize = 1_000;

/// Counts, and what is to be looked at.
#[derive(Default)]
pub(super) struct Report {
    ran: usize,
    same: usize,
    with_rows: usize,
    no_answer: usize,
    postgres: usize,
    /// What PostgreSQL alone refuses.
    strange: Vec<String>,
    /// By what was said: how often, and the smallest query.
    refusals: BTreeMap<String, (usize, String)>,
    failures: Vec<String>,
}

impl Report {
    /// Says from time to time how far a long run is; `ran` queries more have been run.
    pub(super) fn progress(&mut self, ran: usize) {
        let before = self.ran;
        self.ran += ran;
        if before / PROGRESS < self.ran / PROGRESS {
            println!("{}", self.total());
        }
    }

    /// All counts, in a line that can be added up over processes.
    fn total(&self) -> String {
        let Self { ran, same, with_rows, no_answer, postgres, strange, refusals, failures } = self;
        let (strange, failures) = (strange.len(), failures.len());
        let refused: usize = refusals.values().map(|(count, _)| count).sum();
        format!(
            "total: {ran} ran {same} agree {with_rows} have_rows {postgres} agree_with_postgres {strange} only_postgres_refuses \
             {no_answer} have_no_answer {refused} are_refused {failures} differ"
        )
    }

    pub(super) fn count(&mut self, outcome: &Outcome, case: &Case) {
        match outcome {
            Outcome::Same { rows, postgres } => {
                self.same += 1;
                self.with_rows += usize::from(*rows > 0);
                match postgres {
                    Postgres::Agrees => self.postgres += 1,
                    Postgres::Refuses => self.strange.push(case.queries[0].to_string()),
                    Postgres::Absent => {}
                }
            }
            _ => self.no_answer += 1,
        }
    }

    /// How many queries differ.
    pub(super) fn failures(&self) -> usize {
        self.failures.len()
    }

    pub(super) fn is_new(&self, refusal: &str) -> bool {
        !self.refusals.contains_key(refusal)
    }

    pub(super) fn refused(&mut self, refusal: &str, case: &Case) {
        let entry = self.refusals.entry(refusal.to_owned()).or_insert_with(|| (0, case.queries[0].to_string()));
        entry.0 += 1;
    }

    pub(super) fn differs(&mut self, seed: u64, (smallest, how): (Case, String)) {
        let repeat = format!("LAMINAR_QUERY_SEED={seed} cargo nextest run -E 'test(random_queries_hold)'");
        let failure = format!("{repeat}\n{}{how}", smallest.display());
        println!("{failure}");
        self.failures.push(failure);
    }

    pub(super) fn assert_nothing_unexpected(&self, allowed: &[(&str, &str)]) {
        let unexpected: Vec<String> = self
            .refusals
            .iter()
            .filter(|(refusal, _)| !is_expected(refusal, allowed))
            .map(|(refusal, (count, query))| format!("{count} × {refusal}\n    {query}\n"))
            .collect();
        assert!(self.failures.is_empty(), "{} queries differ:\n{}", self.failures.len(), self.failures.join("\n"));
        assert!(unexpected.is_empty(), "{} kinds of refusals are not expected:\n{}", unexpected.len(), unexpected.concat());
        let all = self.same + self.no_answer;
        assert!(all < 100 || self.with_rows * 2 > all, "most queries say nothing: {self}");
    }
}

/// Whether a refusal is one of those that are known.
pub(super) fn is_expected(refusal: &str, allowed: &[(&str, &str)]) -> bool {
    allowed.iter().any(|(allowed, _)| refusal.contains(allowed))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.total())?;
        self.strange.iter().take(STRANGE_SHOWN).try_for_each(|query| writeln!(f, "only PostgreSQL refuses {query}"))?;
        for (refusal, (count, query)) in &self.refusals {
            writeln!(f, "{count} × {refusal}\n    {query}")?;
        }
        Ok(())
    }
}
