//! Opens a database in a directory: brings back what the newest checkpoint holds, then what the log says that happened since.
//!
//! First the statements of all objects are said again, over empty inputs and without a step; then their operators get their state; then the
//! log is replayed, at the times that it names. Objects whose state does not fit their operators any more are computed anew
//! (`engine/other_plans.rs`). Sources go on from where they stood, sinks from what they had prepared.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use laminar_core::alloc::StateScope;
use laminar_core::time::Watermark;
use laminar_core::{Code, Error, Result, StepId};
use laminar_sql::plan::{PlanVersion, Planner};
use laminar_storage::disk::Disk;
use laminar_storage::pipeline_checkpoint::PipelineCheckpoint;
use laminar_storage::{Opened, Store, StoreOptions, WalEntry};

use crate::Database;
use crate::catalog::ObjectId;
use crate::durability::Durable;
use crate::engine::{Engine, EngineParts, Journal};
use crate::notice::{Notice, NoticeKind};
use crate::replay_clock::ReplayClock;
use crate::statements::{create_again, drop_all, redo};
use crate::stored::{BlockReader, CheckpointBody, FORMAT, Redo, StoredObject};

/// The database in the directory at `path` of `disk`, which is made if there is none.
pub(crate) fn recovered(parts: EngineParts, path: &Path, disk: Arc<dyn Disk>) -> Result<Database> {
    let mut unusable = BTreeMap::new();
    loop {
        let opened = Store::open_but(path, Arc::clone(&disk), StoreOptions::STANDARD, &unusable)?;
        let recovery = Recovery::begin(parts.clone(), opened)?;
        match recovery.restore() {
            Ok(()) => return recovery.replay(),
            // Damage is found where a block is read. The one before has another place in the log.
            Err(error) if error.code() == Code::BadData && recovery.has_another() => {
                unusable.insert(recovery.epoch(), error.message().to_owned());
            }
            Err(error) => return Err(error.within(format!("checkpoint {}", recovery.epoch()))),
        }
    }
}

/// A database that is brought back.
struct Recovery {
    database: Database,
    durable: Durable,
    clock: Arc<ReplayClock>,
    checkpoint: Option<PipelineCheckpoint>,
}

impl Recovery {
    fn begin(parts: EngineParts, opened: Opened) -> Result<Self> {
        let clock = Arc::new(ReplayClock::new(Arc::clone(&parts.clock)));
        let settings = parts.settings.clone();
        let database = Database::new(EngineParts { clock: clock.clone(), ..parts });
        let epoch = opened.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.epoch);
        let durable = Durable::new(opened.store, &settings, epoch);
        {
            let engine = &mut *database.lock();
            engine.journal = Journal::recovering(durable.clone());
            engine.begin_limit()?;
            engine.notices_of_opening.extend(opened.warnings.into_iter().map(warning));
        }
        Ok(Self { database, durable, clock, checkpoint: opened.checkpoint })
    }

    /// The checkpoint that it begins with; 0: none.
    fn epoch(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.epoch)
    }

    /// Whether there is another checkpoint to begin with.
    fn has_another(&self) -> bool {
        self.durable.store().checkpoints().kept().len() > 1
    }

    /// Brings back what the checkpoint holds.
    fn restore(&self) -> Result<()> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        let engine = &mut *self.database.lock();
        // What is read is the state, and a copy of it.
        let _scope = StateScope::enter();
        restore(engine, checkpoint, self.durable.store(), &self.clock)
    }

    /// What happened since happens again.
    fn replay(self) -> Result<Database> {
        let Self { database, durable, clock, checkpoint } = self;
        {
            let engine = &mut *database.lock();
            let _scope = StateScope::enter();
            let mut replayed = 0_u64;
            for record in durable.store().read_log(checkpoint.map(|checkpoint| checkpoint.log))? {
                let (position, record) = record?;
                replay(engine, record, &clock).map_err(|error| error.within(format!("the log before {position}")))?;
                replayed += 1;
            }
            engine.readers.seek();
            engine.recorded.sinks.clear();
            engine.journal.begin();
            if let Some(end) = engine.journal.end().filter(|_| replayed == 0) {
                // Nothing has happened since the last checkpoint, or ever: none is made before something does.
                engine.checkpointed = engine.reactor.graph().last_step();
                durable.checkpoints().taken = Some((end, engine.checkpointed.0));
            }
            clock.go_on();
        }
        Ok(database.with_durability(durable))
    }
}

fn restore(engine: &mut Engine, checkpoint: &PipelineCheckpoint, store: &Store, clock: &ReplayClock) -> Result<()> {
    let mut body: CheckpointBody = serde_json::from_slice(&checkpoint.body)
        .map_err(|error| Error::new(Code::BadData, format!("its manifest cannot be read: {error}")))?;
    if !(1..=FORMAT).contains(&body.format) {
        let text = format!("its manifest has the format {}, and this build reads 1 to {FORMAT}", body.format);
        return Err(Error::new(Code::NotSupported, text).with_hint("open the directory with a newer version of LaminarDB"));
    }
    clock.replay(body.taken_at);
    engine.recorded.is_restoring = true;
    engine.know_sinks(&body.objects)?;
    let planner = Arc::clone(&engine.planner);
    let mut earlier: BTreeMap<PlanVersion, Arc<Planner>> = BTreeMap::new();
    for object in &body.objects {
        engine.prepare_reads(object);
        let version = version_of(object.nodes.iter().map(|node| node.plan.as_str()));
        if version < PlanVersion::Current {
            let planner = earlier.entry(version).or_insert_with(|| Arc::new(Planner::of_version(version)));
            engine.planner = Arc::clone(planner);
        }
        let said = create_again(engine, &object.sql, &object.context);
        engine.planner = Arc::clone(&planner);
        said.map_err(|error| error.within(format!("'{}'", object.name)))?;
    }
    let other = engine.with_other_plans(&body.objects)?;
    drop_all(engine, &other)?;
    let is_other = |object: &mut StoredObject| other.contains(&ObjectId(object.context.id));
    let anew: Vec<StoredObject> = body.objects.extract_if(.., is_other).collect();
    engine.restore(&body, BlockReader(store))?;
    compute_anew(engine, &anew, StepId(body.step))?;
    engine.catalog.set_next_id(ObjectId(body.next_object));
    engine.restore_history(&body, BlockReader(store))
}

/// Says the statements of objects again over the rows that what they read has now. The first step comes when all are said, so that they see what
/// streams among them give out in it. From here on steps run.
fn compute_anew(engine: &mut Engine, objects: &[StoredObject], step: StepId) -> Result<()> {
    for object in objects {
        create_again(engine, &object.sql, &object.context).map_err(|error| error.within(format!("'{}'", object.name)))?;
    }
    engine.recorded.is_restoring = false;
    if objects.is_empty() { Ok(()) } else { engine.compute_anew(objects, step) }
}

/// How the nodes of an object were planned, which the current version might plan otherwise.
fn version_of<'a>(plans: impl Iterator<Item = &'a str> + Clone) -> PlanVersion {
    let numbers = |plan: &str| plan.contains("row_number() as ");
    let (top_n, over) = (|plan: &&str| plan.starts_with("TopN "), |plan: &&str| plan.starts_with("Over"));
    if plans.clone().any(has_unsigned_rank) {
        PlanVersion::UnsignedRanks
    } else if plans.clone().filter(over).any(numbers)
        && plans.clone().any(|plan| top_n(&plan))
        && !plans.filter(top_n).any(numbers)
    {
        PlanVersion::SeparateRowNumbers
    } else {
        PlanVersion::Current
    }
}

/// Whether a node computes ranks that are unsigned, as those of earlier builds were: its state has the columns that it had then.
fn has_unsigned_rank(plan: &str) -> bool {
    let Some((_, columns)) = plan.rsplit_once(" -> ").filter(|_| plan.starts_with("Over ")) else { return false };
    let unsigned = |rank: &str| {
        columns.match_indices(rank).any(|(at, _)| {
            let behind = &columns[at..];
            let place = |data_type: &str| behind.find(data_type).unwrap_or(usize::MAX);
            place(" UInt64") < place(" Int64")
        })
    };
    ["row_number()", "rank()", "ntile("].into_iter().any(unsigned)
}

/// What stands in the log happens again.
fn replay(engine: &mut Engine, record: WalEntry, clock: &ReplayClock) -> Result<()> {
    match record {
        WalEntry::Statement { now, text, context } => {
            clock.replay(now);
            redo(engine, &text, &Redo::from_text(&context)?)
        }
        WalEntry::Rows { now, object, rows, position } => {
            clock.replay(now);
            engine.replay_rows(ObjectId(object), &rows, &position)
        }
        WalEntry::End { now, object } => {
            clock.replay(now);
            engine.replay_end(ObjectId(object))
        }
        WalEntry::Commit { now, object, watermark } => {
            clock.replay(now);
            engine.replay_watermark(ObjectId(object), Watermark(watermark))
        }
    }
}

fn warning(text: String) -> Notice {
    Notice::new(NoticeKind::Recovered, text, None)
}
