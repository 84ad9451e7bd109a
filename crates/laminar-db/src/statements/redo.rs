//! Statements that are said again when a database is opened: what its directory says that they did.

use laminar_core::panics::caught;
use laminar_core::{Code, Error, Result, StepId};
use laminar_sql::parse::{CreateTable, ParsedStatement, Statement, parse_script};
use laminar_sql::with_deep_stack;

use super::create;
use super::drop::drop_all;
use super::rename::rename_object;
use crate::catalog::ObjectId;
use crate::engine::Engine;
use crate::stored::{ObjectContext, Redo};

/// Does what `redo` says; `text` is the statement of what it created.
pub(crate) fn redo(engine: &mut Engine, text: &str, redo: &Redo) -> Result<()> {
    match redo {
        Redo::Create(context) => create_again(engine, text, context),
        Redo::Replace(_) => say(engine, text),
        Redo::Drop(objects) => {
            let order: Vec<ObjectId> = objects.iter().map(|id| ObjectId(*id)).collect();
            drop_all(engine, &order)
        }
        Redo::Rename { object, to } => rename_object(engine, ObjectId(*object), to),
        Redo::Acknowledge { subscription, step } => {
            engine.acknowledge_again(ObjectId(*subscription), StepId(*step));
            Ok(())
        }
        Redo::Script { text, .. } => {
            engine.journal.script.push(text.clone());
            Ok(())
        }
    }
}

/// Makes an object with the id that it had.
pub(crate) fn create_again(engine: &mut Engine, text: &str, context: &ObjectContext) -> Result<()> {
    let id = ObjectId(context.id);
    engine.catalog.set_next_id(id);
    engine.recorded.context = Some(context.clone());
    let said = say(engine, text);
    engine.recorded.context = None;
    said?;
    match context.columns()? {
        Some(columns) => engine.all_or_nothing(|engine| engine.settle_late_sink(id, columns)),
        None => Ok(()),
    }
}

fn say(engine: &mut Engine, text: &str) -> Result<()> {
    let mut statements = parse_script(text).into_iter();
    let (Some(parsed), None) = (statements.next(), statements.next()) else {
        return Err(Error::new(Code::BadData, "the directory holds no single statement here").with_detail(text.to_owned()));
    };
    let ParsedStatement { statement, text, .. } = parsed?;
    let statement = match statement {
        // Its rows stand in the log, or in the checkpoint.
        Statement::CreateTable(create) => Statement::CreateTable(CreateTable { query: None, ..create }),
        other => other,
    };
    with_deep_stack(|| caught(|| engine.all_or_nothing(|engine| create(engine, &statement, &text)).map(|_| ())))
}
