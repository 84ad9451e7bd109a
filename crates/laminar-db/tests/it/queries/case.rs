//! Queries over tables that change, and whether all engines see the same.

use arrow_schema::Schema;
use laminar_db::{Code, Database, Error};
use laminar_testkit::compare::{Bag, bag_of_rows, compare};
use laminar_testkit::random::query::{Query, Statement, random_statement};
use laminar_testkit::random::{Cell, Change, Changes, Contents, EventTimes, History, Row, Sizes, Table, Values};

use super::statements;
use crate::postgres::Connection;

/// So many statements change the tables in the end.
const STATEMENTS: u64 = 2;

/// Of so many views one has its changes added up.
const CHANGES_EACH: usize = 4;

const SECOND: i64 = 1_000_000_000;

/// The tables of all queries: one with a key, and two in which rows can be equal.
pub(super) fn tables() -> Vec<Table> {
    let times = EventTimes { grain: 10 * SECOND, advance: 40 * SECOND, jitter: 3_600 * SECOND, straggle: 90_000 * SECOND };
    vec![
        Table::new(
            "t",
            Changes::Keyed(vec![0]),
            [
                ("k", Values::BigInt(0, 9)),
                ("a", Values::Int(0, 4)),
                ("s", Values::Text(6)),
                ("n", Values::Decimal(400)),
                ("p", Values::Bool),
            ],
        ),
        Table::new(
            "u",
            Changes::Any,
            [
                ("a", Values::Int(-1, 4)),
                ("b", Values::BigInt(0, 6)),
                ("s", Values::Text(4)),
                ("day", Values::Date(4)),
                ("at", Values::Time(times)),
            ],
        )
        .with_nulls("at", 0.1),
        Table::new("w", Changes::Any, [("a", Values::BigInt(0, 3)), ("x", Values::Double(4.0))]),
    ]
}

/// Some queries and what happens to their tables.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) queries: Vec<Query>,
    pub(super) history: History,
    /// What is said behind the history.
    pub(super) statements: Vec<Statement>,
    workers: usize,
    /// The views are created before this step, so they begin with what is there already.
    begin: usize,
}

/// What became of a query.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// All engines agree; how many rows were there at the end.
    Same { rows: usize, postgres: Postgres },
    /// It cannot be a view, or not even asked: code and message.
    Refused(String),
    /// A value overflowed, or the like, so that there is no answer; or it is no query.
    NoAnswer,
    /// They do not agree.
    Differs(String),
}

/// What PostgreSQL says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Postgres {
    Agrees,
    Refuses,
    Absent,
}

impl Case {
    /// What `seed` does to the tables, under these queries.
    pub(super) fn new(seed: u64, queries: Vec<Query>) -> Self {
        let history = History::new(&tables(), &Sizes { steps: 2..=4, changes: 0..=6 }, seed);
        let begin = (seed / 4) as usize % history.steps.len();
        let statements = (0..STATEMENTS).map(|number| random_statement(&tables(), seed * STATEMENTS + number)).collect();
        Self { queries, history, statements, workers: 1 + (seed % 4) as usize, begin }
    }

    /// The same with one of the queries alone.
    pub(super) fn only(&self, query: usize) -> Self {
        self.with(self.queries[query].clone())
    }

    /// The same with another query.
    pub(super) fn with(&self, query: Query) -> Self {
        Self { queries: vec![query], ..self.clone() }
    }

    /// Runs them together.
    pub(super) fn run(&self, postgres: &mut Option<Connection>) -> Vec<Outcome> {
        let db = Database::builder().workers_in_turn(self.workers).build();
        let tables = tables();
        tables.iter().for_each(|table| _ = db.execute(&table.create_sql()).expect("the tables are fine"));
        let mut contents = vec![Contents::default(); tables.len()];
        let mut followed: Vec<Followed> = self.queries.iter().map(Followed::new).collect();
        for (number, step) in self.history.steps.iter().enumerate() {
            if number == self.begin {
                followed.iter_mut().enumerate().for_each(|(view, query)| query.create(&db, view));
            }
            for (table, changes) in &step.batches {
                let batch = Change::batch(&tables[*table], changes).expect("the changes fit their table");
                db.push_changes(&tables[*table].name, batch).expect("the changes are taken");
                contents[*table].apply(&tables[*table], changes);
            }
            if number >= self.begin {
                followed.iter_mut().enumerate().for_each(|(view, query)| query.compare(&db, view, number));
            }
        }
        if let Some(postgres) = postgres {
            fill(postgres, &tables, &contents);
        }
        if !self.statements.is_empty() {
            let changed = statements::run(&db, postgres.as_mut(), &self.statements, &tables);
            if let (Err(outcome), Some(query)) = (changed, followed.first_mut()) {
                query.ended = Some(outcome);
            }
            let number = self.history.steps.len();
            followed.iter_mut().enumerate().for_each(|(view, query)| query.compare(&db, view, number));
        }
        if let Some(postgres) = postgres {
            followed.iter_mut().for_each(|query| query.compare_with(postgres));
        }
        followed.into_iter().map(Followed::outcome).collect()
    }

    /// In a form that a person reads.
    pub(super) fn display(&self) -> String {
        let tables = tables();
        let created: Vec<String> = tables.iter().map(|table| format!("{};\n", table.create_sql())).collect();
        let queries: Vec<String> = self.queries.iter().map(|query| format!("{query};\n")).collect();
        let statements: Vec<String> = self.statements.iter().map(|statement| format!("{statement};\n")).collect();
        let (workers, begin) = (self.workers, self.begin + 1);
        format!(
            "{workers} workers, the view before step {begin}\n{}{}{}{}",
            created.concat(),
            queries.concat(),
            self.history.display(&tables),
            statements.concat()
        )
    }
}

/// A query on its way.
struct Followed<'a> {
    query: &'a Query,
    text: String,
    /// The last answer.
    answer: Vec<Vec<String>>,
    /// The most rows that an answer had: what statements leave in the end may be nothing.
    rows_max: usize,
    ended: Option<Outcome>,
    postgres: Postgres,
}

impl<'a> Followed<'a> {
    fn new(query: &'a Query) -> Self {
        Self { query, text: query.to_string(), answer: Vec::new(), rows_max: 0, ended: None, postgres: Postgres::Absent }
    }

    fn create(&mut self, db: &Database, view: usize) {
        if let Err(error) = db.execute(&format!("CREATE MATERIALIZED VIEW v{view} AS {}", self.text)) {
            self.ended = Some(refusal("view", &error));
            return;
        }
        if view % CHANGES_EACH == 0 {
            let columns = self.columns();
            let weight = "sum(CASE WHEN op IN ('+I', '+U') THEN 1 ELSE -1 END)";
            let changes = format!("CHANGES(v{view}) AS moved(step, op, {columns})");
            let added_up = format!("SELECT {columns}, {weight} FROM {changes} GROUP BY {columns} HAVING {weight} <> 0");
            db.execute(&format!("CREATE MATERIALIZED VIEW changes{view} AS {added_up}")).expect("changes can be added up");
        }
    }

    fn columns(&self) -> String {
        let columns: Vec<String> = (0..self.query.width()).map(|column| format!("c{column}")).collect();
        columns.join(", ")
    }

    fn compare(&mut self, db: &Database, view: usize, step: usize) {
        if self.ended.is_some() {
            return;
        }
        let name = format!("v{view}");
        let answer = match db.query(&self.text) {
            Ok(rows) => rows,
            Err(error) => {
                self.ended = Some(refusal("ad hoc", &error));
                return;
            }
        };
        let status = db.status();
        if status.objects.iter().any(|object| object.name == name && object.errors > 0) {
            let rejected = db.query(&format!("SELECT * FROM {name}$errors")).map(|rows| rows.to_strings());
            self.ended = Some(Outcome::Differs(format!("the view has rejected rows by step {}: {rejected:?}\n", step + 1)));
            return;
        }
        let shown = match db.query(&format!("SELECT * FROM {name}")) {
            Ok(rows) => rows,
            Err(error) => {
                self.ended = Some(Outcome::Differs(format!("the view cannot be read after step {}: {error}\n", step + 1)));
                return;
            }
        };
        if types_of(&shown.schema) != types_of(&answer.schema) {
            let [shown, answer] = [&shown, &answer].map(|rows| types_of(&rows.schema));
            self.ended = Some(Outcome::Differs(format!("types of columns: {shown} in the view; {answer} ad hoc\n")));
            return;
        }
        let [shown, asked] = [&shown, &answer].map(|rows| bag_of_rows(&rows.batches).expect("rows can be read"));
        if let Err(differences) = compare(&shown, &asked) {
            let what = format!("after step {}; missing: only the ad-hoc answer has it; extra: only the view has it", step + 1);
            self.ended = Some(Outcome::Differs(format!("{what}\n{differences}")));
        }
        if view % CHANGES_EACH == 0
            && let Err(differences) = compare(&changes_of(db, view), &shown)
        {
            let what = format!("changes by step {}; missing: only the view has it; extra: only its changes have it", step + 1);
            self.ended.get_or_insert(Outcome::Differs(format!("{what}\n{differences}")));
        }
        self.answer = answer.to_strings();
        self.rows_max = self.rows_max.max(self.answer.len());
    }

    fn compare_with(&mut self, postgres: &mut Connection) {
        if matches!(self.ended, Some(Outcome::Differs(_) | Outcome::NoAnswer)) {
            return;
        }
        let texts: Vec<String> = (0..self.query.width()).map(|column| format!("CAST(c{column} AS text)")).collect();
        let sql = format!("SELECT {} FROM ({}) AS whole({})", texts.join(", "), self.text, self.columns());
        let Some(theirs) = postgres.ask(&sql) else {
            self.postgres = Postgres::Refuses;
            return;
        };
        self.postgres = Postgres::Agrees;
        if self.ended.is_none()
            && let Err(differences) = compare(&bag_of_texts(&self.answer), &bag_of_texts(&theirs))
        {
            self.ended = Some(Outcome::Differs(format!(
                "missing: only PostgreSQL has it; extra: only the ad-hoc answer and the view have it\n{differences}"
            )));
        }
    }

    fn outcome(self) -> Outcome {
        match self.ended {
            // It is no query at all.
            Some(Outcome::Refused(_)) if self.postgres == Postgres::Refuses => Outcome::NoAnswer,
            Some(ended) => ended,
            None => Outcome::Same { rows: self.rows_max, postgres: self.postgres },
        }
    }
}

/// What the changes of a view add up to.
fn changes_of(db: &Database, view: usize) -> Bag {
    let rows = db.query(&format!("SELECT * FROM changes{view}")).expect("added changes can be read");
    let mut bag = Bag::new();
    for (mut row, times) in bag_of_rows(&rows.batches).expect("rows can be read") {
        if let Some(Cell::Int(weight)) = row.pop() {
            *bag.entry(row).or_default() += times * weight as i64;
        }
    }
    bag
}

/// What the columns of a result are called, and their types.
fn types_of(schema: &Schema) -> String {
    let columns = schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
    columns.collect::<Vec<_>>().join(", ")
}

pub(super) fn refusal(place: &str, error: &Error) -> Outcome {
    match error.code() {
        Code::Arithmetic | Code::BadData => Outcome::NoAnswer,
        code => Outcome::Refused(format!("{} {place}: {}", code.as_str(), without_names(error.message()))),
    }
}

/// The message without what stands in quotes, and without numbers.
fn without_names(message: &str) -> String {
    let parts = message.split('\'').enumerate().map(|(number, part)| if number % 2 == 0 { part } else { "…" });
    let text: String = parts.collect::<Vec<_>>().join("'");
    let text: String = text.chars().map(|letter| if letter.is_ascii_digit() { 'N' } else { letter }).collect();
    text.chars().take(160).collect()
}

/// Rows as text. What looks like a number is one, so that `1.50` is `1.5` and doubles may differ by a hair.
pub(super) fn bag_of_texts(rows: &[Vec<String>]) -> Bag {
    let mut bag = Bag::new();
    for row in rows {
        *bag.entry(row.iter().map(|text| cell(text)).collect()).or_default() += 1;
    }
    bag
}

fn cell(text: &str) -> Cell {
    if text == "NULL" {
        return Cell::Null;
    }
    let is_number = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    match text.parse::<f64>() {
        Ok(number) if is_number && number.fract() == 0.0 && number.abs() < 1e15 => Cell::Int(number as i128),
        Ok(number) if is_number => Cell::Float(number),
        _ => Cell::Text(text.replace('T', " ")),
    }
}

/// Puts into PostgreSQL's tables what ours hold.
fn fill(postgres: &mut Connection, tables: &[Table], contents: &[Contents]) {
    for (table, contents) in tables.iter().zip(contents) {
        let create =
            table.create_sql().replace(" DOUBLE", " DOUBLE PRECISION").replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS");
        let name = &table.name;
        let rows: Vec<String> = contents.rows.iter().map(|(row, _)| values(table, row)).collect();
        let insert = if rows.is_empty() { String::new() } else { format!("; INSERT INTO {name} VALUES {}", rows.join(", ")) };
        let filled = postgres
            .ask(&format!("SET client_min_messages = error; SET statement_timeout = 5000; {create}; DELETE FROM {name}{insert}"));
        assert!(filled.is_some(), "PostgreSQL takes the rows of {name}");
    }
}

fn values(table: &Table, row: &Row) -> String {
    let value = |(cell, values): (&Cell, &Values)| match (cell, values) {
        (Cell::Null, _) => "NULL".to_owned(),
        (Cell::Int(days), Values::Date(_)) => format!("DATE '1970-01-01' + {days}"),
        (Cell::Int(digits), Values::Decimal(_)) => format!("{digits} * 0.01"),
        (Cell::Time(_), _) => format!("'{cell}'"),
        (Cell::Text(text), _) => format!("'{}'", text.replace('\'', "''")),
        (cell, _) => cell.to_string(),
    };
    let values: Vec<String> = row.iter().zip(table.columns.iter().map(|column| &column.values)).map(value).collect();
    format!("({})", values.join(", "))
}
