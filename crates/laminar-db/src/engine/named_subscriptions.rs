//! Subscriptions with a name: readers of a history that are objects of the catalog, so that they outlive the program that reads.
//!
//! In a database with a directory a reader is given only steps that a checkpoint holds. Steps behind it are cut anew when the log is replayed and sources are read
//! again: a number that a reader has acknowledged would mean other changes then.

use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_sql::parse::Name;

use super::undo::Done;
use super::{Engine, Instance, Parts, SubscriptionTarget};
use crate::catalog::{Definition, Object, ObjectId, kind_in_words};
use crate::history::{History, HistoryImage, NamedPlace, lost_error};
use crate::settings::Retention;
use crate::stored::{BlockReader, Redo, StoredObject, StoredSubscription};

/// A subscription that is there.
pub(crate) struct NamedSubscription {
    pub(crate) id: ObjectId,
    /// The object whose changes it reads.
    pub(crate) object: ObjectId,
    pub(crate) history: History,
    /// Whether it begins with the rows that there are.
    pub(crate) snapshot: bool,
}

impl Engine {
    /// Gives a subscription with a name its reader at `target`.
    pub(crate) fn add_named_reader(
        &mut self,
        id: ObjectId,
        target: &SubscriptionTarget,
        name: &str,
        (snapshot, bound): (bool, Retention),
    ) -> Result<()> {
        let history = self.history_at(target.node, name, vec![target.object], Retention::default())?;
        self.read_target(target, snapshot)?;
        let begins_behind = (!snapshot).then(|| self.reactor.graph().last_step());
        history.add_named(id, begins_behind, bound);
        self.note(Done::Named(history.clone(), id))?;
        self.run_instance(id, Instance::new(Vec::new(), Parts::Subscription { node: target.node, history }))
    }

    /// The subscription called `name`.
    pub(crate) fn named_subscription(&self, name: &Name) -> Result<NamedSubscription> {
        let object = self.catalog.require(name)?;
        self.subscription_of(object).ok_or_else(|| {
            let text = format!("'{}' is {}, not a subscription", name.text, kind_in_words(object.kind()));
            let hint = format!("CREATE SUBSCRIPTION s ON {}, then FETCH … FROM s; or SUBSCRIBE {0}", name.text);
            Error::new(Code::InvalidQuery, text).with_hint(hint).at(name.span)
        })
    }

    /// The reader of an object of the catalog, if that is a subscription.
    pub(crate) fn subscription_of(&self, object: &Object) -> Option<NamedSubscription> {
        let (Definition::Subscription { snapshot }, Some(of)) = (&object.definition, object.depends_on.first()) else {
            return None;
        };
        let Parts::Subscription { history, .. } = &self.instances.get(object.id)?.parts else { return None };
        Some(NamedSubscription { id: object.id, object: *of, history: history.clone(), snapshot: *snapshot })
    }

    /// Why a reader cannot go on, if it cannot.
    pub(crate) fn refuse_lost(&self, subscription: &NamedSubscription) -> Result<()> {
        let Some(status) = subscription.history.status_of(subscription.id) else { return Ok(()) };
        let Some(lost) = status.place.lost else { return Ok(()) };
        let (name, object) = (self.catalog.name_of(subscription.id), self.catalog.name_of(subscription.object));
        Err(lost_error(name, object, lost, &status.bound))
    }

    /// The rows with which a reader begins, those of the last step; from there on changes are kept for it.
    pub(crate) fn begin_with_rows(&self, subscription: &NamedSubscription) -> Result<(StepId, Option<ChangeBatch>)> {
        let step = self.reactor.graph().last_step();
        let rows = self.snapshot_at(self.output_of(subscription.object)?)?;
        subscription.history.begin_with_rows(subscription.id, step);
        Ok((step, rows))
    }

    /// The last step that a reader may be given.
    pub(crate) fn last_step_to_give(&self) -> StepId {
        if self.journal.store().is_some() { self.checkpointed } else { self.reactor.graph().last_step() }
    }

    /// A reader has everything up to `step`: into the log, then into the history.
    pub(crate) fn acknowledge(&mut self, subscription: &NamedSubscription, step: StepId) -> Result<()> {
        let redo = Redo::Acknowledge { subscription: subscription.id.0, step: step.0 };
        self.journal.statement(self.clock.now(), &redo)?;
        subscription.history.acknowledge(subscription.id, step);
        Ok(())
    }

    /// The same as the log says it. A step that the recovered checkpoint does not hold was of a later one, which could not be used: what came up to it is
    /// cut into other steps now.
    pub(crate) fn acknowledge_again(&self, id: ObjectId, step: StepId) {
        let Some(subscription) = self.catalog.object(id).and_then(|object| self.subscription_of(object)) else { return };
        let history = &subscription.history;
        if step <= self.checkpointed {
            history.acknowledge(id, step);
        } else {
            let lost = Some((self.checkpointed, step));
            history.put_named(id, NamedPlace { lost, ..history.place_of(id) });
        }
    }

    /// What of an object's history belongs to a checkpoint.
    pub(super) fn history_image(&self, id: ObjectId) -> Option<HistoryImage> {
        let node = self.instances.output(id)?;
        self.histories.iter().find(|attached| attached.node == node)?.history().image()
    }

    /// Where the subscription `id` stands, for a checkpoint.
    pub(super) fn stored_subscription(&self, id: ObjectId) -> Option<StoredSubscription> {
        let subscription = self.subscription_of(self.catalog.object(id)?)?;
        Some(StoredSubscription::of(&subscription.history.place_of(id)))
    }

    /// Gives histories and their readers what a checkpoint says of them.
    pub(super) fn restore_histories(&self, objects: &[StoredObject], blocks: BlockReader<'_>) -> Result<()> {
        for object in objects {
            if let Some(stored) = &object.history {
                let node = self.output_of(ObjectId(object.context.id))?;
                let attached = self.histories.iter().find(|attached| attached.node == node);
                let attached = attached.ok_or_else(|| Error::internal(format!("'{}' has no history", object.name)))?;
                attached.history().restore(stored.read(blocks)?)?;
            }
        }
        let last = self.reactor.graph().last_step();
        for object in objects {
            let id = ObjectId(object.context.id);
            let subscription = self.catalog.object(id).and_then(|object| self.subscription_of(object));
            if let (Some(stored), Some(subscription)) = (&object.subscription, subscription) {
                let mut place = stored.place();
                // It may have been given the rows of the checkpoint, which is not in the checkpoint: the log says then that it has acknowledged them.
                if subscription.snapshot && place.acknowledged.is_none() && place.lost.is_none() {
                    place.snapshot_at.get_or_insert(last);
                }
                subscription.history.put_named(id, place);
            }
        }
        self.histories.iter().for_each(|attached| attached.history().forget_read());
        Ok(())
    }
}
