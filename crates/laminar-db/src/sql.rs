//! What a program says to a database in SQL.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{ParsedStatement, parse_script};

use crate::statements::{self, StatementOutcome};
use crate::{Database, Rows, SubscribeOptions, Subscription};

impl Database {
    /// Runs all statements of `sql` in order and stops at the first that fails; what was done before it stays.
    /// An error's position points into `sql`.
    pub fn execute(&self, sql: &str) -> Result<Vec<StatementOutcome>> {
        let mut outcomes = Vec::new();
        for parsed in parse_script(sql) {
            let statement = parsed?;
            outcomes.push(self.run(&statement).map_err(|error| statement.in_script(error))?);
        }
        Ok(outcomes)
    }

    /// Runs one parsed statement. An error's position points into the statement's own text.
    pub fn run(&self, statement: &ParsedStatement) -> Result<StatementOutcome> {
        statements::run(self, statement)
    }

    /// The statements of a script that a database with a directory has done, in order: those that [`run_in_script`](Self::run_in_script) ran and that
    /// change something.
    pub fn script(&self) -> Vec<String> {
        self.lock().journal.script.clone()
    }

    /// Runs one statement of a script. In a database with a directory it is noted together with what it does that it has been done, so that a
    /// program which is started anew can go on behind it ([`script`](Self::script)).
    pub fn run_in_script(&self, statement: &ParsedStatement) -> Result<StatementOutcome> {
        if self.durable.is_none() || !statements::changes_something(&statement.statement) {
            return self.run(statement);
        }
        // While rows are computed, others write into the log: they must not say that the statement has been done.
        let _backfilled = statements::backfilled(self, statement)?;
        self.lock().journal.begin_script_statement(&statement.text);
        let outcome = statements::run_backfilled(self, statement);
        let mut engine = self.lock();
        let now = engine.clock.now();
        engine.journal.end_script_statement(now, outcome.is_ok())?;
        self.let_go_when_durable(engine)?;
        outcome
    }

    /// Whether a statement changes something that a directory keeps, so that a script which is run anew does not do it a second time.
    pub fn is_kept(statement: &ParsedStatement) -> bool {
        statements::changes_something(&statement.statement)
    }

    /// The rows of one SELECT over tables and materialized views, as of one step.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        match self.execute(sql)?.pop() {
            Some(StatementOutcome::Rows(rows)) => Ok(rows),
            Some(StatementOutcome::Subscription(_)) => {
                Err(Error::new(Code::InvalidQuery, "this query reads a stream or source, which never has all its rows")
                    .with_hint("use subscribe, or select from a materialized view over it"))
            }
            _ => Err(Error::new(Code::InvalidQuery, "this is not a query").with_hint("use execute")),
        }
    }

    /// The changes of an object or query, step by step.
    pub fn subscribe(&self, name_or_query: &str) -> Result<Subscription> {
        self.subscribe_with(name_or_query, SubscribeOptions::default())
    }

    /// The same with chosen options.
    pub fn subscribe_with(&self, name_or_query: &str, options: SubscribeOptions) -> Result<Subscription> {
        statements::subscribe_to_text(self, name_or_query, options)
    }

    /// Whether `statement` is a SELECT over tables and views, or changes rows, and a bounded input of it is not read to its end yet.
    pub fn waits_for_inputs(&self, statement: &ParsedStatement) -> bool {
        statements::waits_for_inputs(&self.lock(), statement)
    }
}
