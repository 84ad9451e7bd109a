//! The smallest query and the fewest changes that still fail in the same way.

use laminar_testkit::random::Changes;

use super::case::{Case, Outcome, tables};
use crate::postgres::Connection;

/// So many smaller ones are tried.
const TRIES_MAX: usize = 1_500;

/// The case, made smaller for as long as it fails; and how it fails then.
pub(super) fn smallest(case: &Case, postgres: &mut Option<Connection>) -> (Case, String) {
    let mut search = Search { kind: None, postgres, tries: 0 };
    let Some(first) = search.fails(case) else {
        return (case.clone(), "it passes when it is run alone: repeat it with its neighbours\n".to_owned());
    };
    let (mut best, mut how) = (case.clone(), first);
    loop {
        let before = search.tries;
        let smaller_query = |best: &Case, number| best.queries[0].smaller(number).map(|query| best.with(query));
        let mut found = search.reduce(&mut best, &mut how, smaller_query);
        found |= search.reduce(&mut best, &mut how, fewer_changes);
        found |= search.reduce(&mut best, &mut how, smaller_statements);
        if !found || search.tries >= TRIES_MAX || search.tries == before {
            return (best, how);
        }
    }
}

struct Search<'a> {
    /// What the first failure was: only the same counts.
    kind: Option<String>,
    postgres: &'a mut Option<Connection>,
    tries: usize,
}

impl Search<'_> {
    fn fails(&mut self, case: &Case) -> Option<String> {
        self.tries += 1;
        // PostgreSQL has to be asked only for what it is needed for.
        let own = self.kind.as_ref().is_some_and(|kind| kind.starts_with("after") || kind.starts_with("the view"));
        let outcome = if own { case.run(&mut None) } else { case.run(self.postgres) }.pop()?;
        let (kind, how) = match outcome {
            Outcome::Differs(how) => {
                (how.split([';', ':']).next().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), ""), how)
            }
            Outcome::Refused(refusal) => (refusal.clone(), refusal),
            _ => return None,
        };
        let same = self.kind.get_or_insert_with(|| kind.clone()) == &kind;
        same.then_some(how)
    }

    /// Takes one smaller case after the other that still fails; true if there was one.
    fn reduce(&mut self, best: &mut Case, how: &mut String, smaller: impl Fn(&Case, usize) -> Option<Case>) -> bool {
        let (mut number, mut found) = (0, false);
        while self.tries < TRIES_MAX
            && let Some(case) = smaller(best, number)
        {
            match self.fails(&case) {
                Some(failure) => (*best, *how, found) = (case, failure, true),
                None => number += 1,
            }
        }
        found
    }
}

/// Without one statement, or with a smaller one.
fn smaller_statements(case: &Case, mut number: usize) -> Option<Case> {
    let mut case = case.clone();
    if number < case.statements.len() {
        case.statements.remove(number);
        return Some(case);
    }
    number -= case.statements.len();
    for statement in &mut case.statements {
        let parts = (0..).take_while(|part| statement.smaller(*part).is_some()).count();
        if number < parts {
            *statement = statement.smaller(number)?;
            return Some(case);
        }
        number -= parts;
    }
    None
}

/// Without the changes of one row (or key) of a table.
fn fewer_changes(case: &Case, number: usize) -> Option<Case> {
    let tables = tables();
    let mut rows = Vec::new();
    for (table, changes) in case.history.steps.iter().flat_map(|step| &step.batches) {
        for change in changes {
            let key = match &tables[*table].changes {
                Changes::Keyed(key) => key.iter().map(|column| change.row[*column].clone()).collect(),
                _ => change.row.clone(),
            };
            if !rows.contains(&(*table, key.clone())) {
                rows.push((*table, key));
            }
        }
    }
    let (goes, key) = rows.get(number)?;
    let mut case = case.clone();
    for (table, changes) in case.history.steps.iter_mut().flat_map(|step| &mut step.batches) {
        if table == goes {
            changes.retain(|change| match &tables[*table].changes {
                Changes::Keyed(columns) => columns.iter().zip(key).any(|(column, value)| change.row[*column] != *value),
                _ => change.row != *key,
            });
        }
    }
    case.history.steps.iter_mut().for_each(|step| step.batches.retain(|(_, changes)| !changes.is_empty()));
    Some(case)
}
