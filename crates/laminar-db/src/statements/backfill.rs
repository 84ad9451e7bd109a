//! Computes the rows with which a materialized view or an index begins before its statement runs: in pieces, between which pushes and other statements have their turns.

use std::thread;
use std::time::Instant;

use laminar_core::Result;
use laminar_core::budget::PieceRows;
use laminar_core::limits::LATENCY_BUDGET_NS;
use laminar_sql::parse::{CreateQuery, Statement};

use super::create_index;
use crate::Database;
use crate::catalog::ObjectKind;
use crate::engine::{BackfillId, Engine};
use crate::engine_lock::Priority;

/// So few rows are left to the statement.
const LEFT_ROWS: usize = 1024;
/// After so many pieces that left no less than those before, what changes is as much as what is computed.
const PIECES_IN_VAIN: usize = 64;

/// Computes the rows with which what a statement makes begins, if they are many. The statement runs while this is kept.
pub(super) fn before<'a>(database: &'a Database, statement: &Statement, text: &str) -> Result<Option<Backfilled<'a>>> {
    let begun = match statement {
        Statement::CreateMaterializedView(create) => begin(&mut database.lock(), create, text, create.or_replace)?,
        Statement::Alter(alter) if alter.kind == ObjectKind::MaterializedView => {
            begin(&mut database.lock(), &alter.create, text, true)?
        }
        Statement::CreateIndex(create) => create_index::begin_backfill(&mut database.lock(), create, text)?,
        _ => None,
    };
    let backfill = begun.map(|id| Backfilled { database, id });
    if let Some(backfill) = &backfill {
        database.interrupt().reset();
        backfill.compute()?;
    }
    Ok(backfill)
}

fn begin(engine: &mut Engine, create: &CreateQuery, text: &str, may_be_there: bool) -> Result<Option<BackfillId>> {
    if !may_be_there && engine.catalog.get(&create.name.text).is_some() {
        return Ok(None);
    }
    engine.begin_backfill(&create.name.text, &create.query, text)
}

/// A backfill that is taken out at the end, whatever has become of the statement.
pub(crate) struct Backfilled<'a> {
    database: &'a Database,
    id: BackfillId,
}

impl Backfilled<'_> {
    /// Computes until little is left, or what changes is as much as what is computed. Fails if it is interrupted.
    fn compute(&self) -> Result<()> {
        let (mut pieces, mut least, mut in_vain) = (PieceRows::default(), usize::MAX, 0);
        while in_vain < PIECES_IN_VAIN {
            let mut engine = self.database.engine.enter(Priority::Background);
            engine.interrupt.check()?;
            let began = Instant::now();
            let Some(left) = engine.continue_backfill(self.id, pieces.rows())? else { return Ok(()) };
            let spent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            drop(engine);
            if left <= LEFT_ROWS {
                return Ok(());
            }
            pieces.learn(pieces.rows(), spent, LATENCY_BUDGET_NS);
            in_vain = if left < least { 0 } else { in_vain + 1 };
            least = least.min(left);
            // A caller that was woken by that may have been given this processor.
            thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Backfilled<'_> {
    fn drop(&mut self) {
        let ended = self.database.lock().end_backfill(self.id);
        debug_assert!(ended.is_ok(), "{ended:?}");
    }
}
