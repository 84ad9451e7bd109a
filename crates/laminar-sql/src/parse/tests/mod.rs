//! Tests of parsing: what every statement's text means, what is said about wrong text, and that nothing panics.

mod clauses;
mod definitions;
mod errors;
mod refusals;
mod soup;
mod statements;
mod windows;

use expect_test::Expect;

use super::*;
use crate::diagnostic::render;

/// Parses a script and prints each statement, or each error with its place.
fn outcome(text: &str) -> String {
    let shown = parse_script(text).into_iter().map(|statement| match statement {
        Ok(statement) => show(&statement.statement),
        Err(error) => render(&error, text, None),
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&outcome(text));
}

fn set_columns(columns: &[SetColumn]) -> String {
    let column = |column: &SetColumn| format!("{}{}", column.name.text, if column.to_default { " default" } else { "" });
    format!("({})", columns.iter().map(column).collect::<Vec<_>>().join(", "))
}

fn returning(query: Option<&StreamQuery>) -> String {
    query.map(|query| format!(" returning {}", query.query)).unwrap_or_default()
}

fn show(statement: &Statement) -> String {
    match statement {
        Statement::CreateSource(source) => {
            let head = head("source", &source.name, source.or_replace, source.if_not_exists);
            let watermark = source.watermark.as_ref().map(|w| format!(" watermark {} - {}ns", w.column.text, w.lag));
            let key = if source.primary_key.is_empty() { String::new() } else { format!(" key {}", names(&source.primary_key)) };
            let (columns, connector) = (columns(&source.columns), connector(source.connector.as_ref()));
            format!("{head}{columns}{key}{}{connector}", watermark.unwrap_or_default())
        }
        Statement::CreateTable(table) => {
            let head = head("table", &table.name, table.or_replace, table.if_not_exists);
            let (columns, key) = (columns(&table.columns), names(&table.primary_key));
            let of_column = |of: &ColumnExpr| format!("{} = {}", of.column.text, of.value.query.query);
            let defaults: Vec<String> = table.defaults.iter().map(of_column).collect();
            let generated: Vec<String> = table.generated.iter().map(of_column).collect();
            let checks: Vec<String> = table.checks.iter().map(|check| format!("{}: {}", check.name, check.holds.text)).collect();
            let nulls = |unique: &UniqueDef| if unique.nulls_distinct { "" } else { " with nulls" };
            let unique = |unique: &UniqueDef| format!("{}: {}{}", unique.name, names(&unique.columns), nulls(unique));
            let uniques = table.uniques.iter().map(unique).collect();
            let rules = [("defaults", defaults), ("generated", generated), ("checks", checks), ("uniques", uniques)];
            let rules = rules.iter().filter(|(_, rules)| !rules.is_empty());
            let rules: String = rules.map(|(what, rules)| format!(" {what} [{}]", rules.join("; "))).collect();
            let query = table.query.as_ref().map(|query| format!(" as {}", stream_query(query))).unwrap_or_default();
            format!("{head}{columns} key {key}{rules}{}{query}", connector(table.connector.as_ref()))
        }
        Statement::CreateLookup(lookup) => {
            let head = head("lookup table", &lookup.name, lookup.or_replace, lookup.if_not_exists);
            let (columns, key) = (columns(&lookup.columns), names(&lookup.primary_key));
            let cache: Vec<String> = lookup.cache.iter().map(|option| format!("{} = {}", option.key, option.value)).collect();
            format!("{head}{columns} key {key}{} cache [{}]", connector(Some(&lookup.connector)), cache.join(", "))
        }
        Statement::CreateIndex(index) => {
            let head = head("index", &index.name, false, index.if_not_exists);
            format!("{head} on {} {}", index.on.text, names(&index.columns))
        }
        Statement::CreateStream(created) => create_query("stream", created),
        Statement::CreateMaterializedView(created) => create_query("materialized view", created),
        Statement::CreateView(created) => create_query("view", created),
        Statement::CreateSink(sink) => {
            let head = head("sink", &sink.name, sink.or_replace, sink.if_not_exists);
            let input = match &sink.input {
                SinkInput::Object(name) => name.text.clone(),
                SinkInput::Query(query) => stream_query(query),
                SinkInput::LateRows => "late rows".to_owned(),
            };
            format!("{head} of {input}{}", connector(Some(&sink.connector)))
        }
        Statement::Insert(insert) => {
            let conflict = insert.on_conflict.as_ref().map(|conflict| match &conflict.action {
                ConflictAction::Nothing => format!(" conflict {} nothing", names(&conflict.key)),
                ConflictAction::Update { columns, rows } => {
                    format!(" conflict {} set {} by {}", names(&conflict.key), set_columns(columns), rows.query)
                }
            });
            let head = format!("insert {} {} {}", insert.table.text, names(&insert.columns), insert.source);
            let head = format!(
                "{head}{}",
                if insert.to_default.is_empty() { String::new() } else { format!(" defaults at {:?}", insert.to_default) }
            );
            format!("{head}{}{}", conflict.unwrap_or_default(), returning(insert.returning.as_ref()))
        }
        Statement::Update(change) | Statement::Delete(change) => {
            let (table, set) = (&change.table.text, set_columns(&change.columns));
            format!("change {table} set {set} by {}{}", change.rows.query, returning(change.returning.as_ref()))
        }
        Statement::Truncate(truncate) => format!("truncate {}", names(&truncate.tables)),
        Statement::Drop(drop) => {
            format!("drop {} {} if_exists={} cascade={}", drop.kind, names(&drop.names), drop.if_exists, drop.cascade)
        }
        Statement::Rename(rename) => {
            format!("rename {} {} to {} if_exists={}", rename.kind, rename.name.text, rename.to.text, rename.if_exists)
        }
        Statement::Alter(AlterQuery { kind, if_exists, create }) => {
            format!("alter {kind} {} as {} if_exists={if_exists}", create.name.text, create.query.query)
        }
        Statement::Show(Show::Objects(kind)) => format!("show {kind}s"),
        Statement::Show(Show::Create { kind, name }) => {
            format!("show create {} {}", kind.map_or("any", ObjectKind::as_str), name.text)
        }
        Statement::Show(Show::Columns(name)) => format!("show columns {}", name.text),
        Statement::Show(Show::Setting(name)) => format!("show setting {}", name.text),
        Statement::Show(other) => format!("show {other:?}"),
        Statement::Describe(name) => format!("describe {}", name.text),
        Statement::ExplainObject(explain) => format!("explain {:?} {:?} {}", explain.report, explain.kind, explain.name.text),
        Statement::Checkpoint => "checkpoint".to_owned(),
        Statement::Verify(verify) => format!("verify {}", verify.name.text),
        Statement::Replay(replay) => {
            let fields = if replay.fields.is_empty() { String::new() } else { format!(" {}", names(&replay.fields)) };
            format!("replay {}{fields} into {}", replay.from.text, replay.into.text)
        }
        Statement::Explain(explain) => format!("explain {:?} {}", explain.what, show(&explain.statement)),
        Statement::Select(query) => stream_query(query),
        Statement::Subscribe(subscribe) => {
            let input = match &subscribe.input {
                SubscribeInput::Object(name) => name.text.clone(),
                SubscribeInput::Query(query) => stream_query(query),
            };
            format!("subscribe {input} snapshot={:?} step={:?}", subscribe.snapshot, subscribe.as_of_step)
        }
        Statement::CreateSubscription(create) => {
            let head = head("subscription", &create.name, create.or_replace, create.if_not_exists);
            let history = create.history.as_ref().map(|option| option.value.as_str());
            format!("{head} on {} snapshot={:?} history={history:?}", create.object.text, create.snapshot)
        }
        Statement::Fetch(fetch) => format!("fetch {:?} from {}", fetch.rows, fetch.subscription.text),
        Statement::Acknowledge(ack) => format!("ack {} through {:?}", ack.subscription.text, ack.through),
        Statement::Backup(backup) => format!("backup to {}", backup.directory),
        Statement::Set(set) => format!("set {} {:?}", set.name.text, set.value),
    }
}

fn head(kind: &str, name: &Name, or_replace: bool, if_not_exists: bool) -> String {
    let replace = if or_replace { " or_replace" } else { "" };
    let exists = if if_not_exists { " if_not_exists" } else { "" };
    format!("{kind} {}{replace}{exists}", name.text)
}

fn create_query(kind: &str, created: &CreateQuery) -> String {
    let head = head(kind, &created.name, created.or_replace, created.if_not_exists);
    format!("{head} as {}", stream_query(&created.query))
}

fn stream_query(query: &StreamQuery) -> String {
    let emit = query.emit.map(|emit| format!(" | emit {:?}", emit.kind)).unwrap_or_default();
    let lateness = query.lateness.map(|lateness| format!(" | lateness {}ns", lateness.nanos)).unwrap_or_default();
    let late_to = query.late_to.as_ref().map(|name| format!(" | late to {}", name.text)).unwrap_or_default();
    format!("{}{emit}{lateness}{late_to}", query.query)
}

fn columns(columns: &[ColumnDef]) -> String {
    let shown = columns.iter().map(|c| format!("{} {}{}", c.name.text, c.data_type, if c.not_null { " not null" } else { "" }));
    format!(" ({})", shown.collect::<Vec<_>>().join(", "))
}

fn names(names: &[Name]) -> String {
    let shown: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
    format!("({})", shown.join(", "))
}

fn connector(connector: Option<&ConnectorDef>) -> String {
    let Some(connector) = connector else { return String::new() };
    let format = connector.format.as_ref().map(|format| format!(" format {} {}", format.name, options(&format.options)));
    format!(" connector {} {}{}", connector.name, options(&connector.options), format.unwrap_or_default())
}

fn options(options: &[OptionDef]) -> String {
    let shown = options.iter().map(|option| format!("{}={}", option.key, option.value));
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}
