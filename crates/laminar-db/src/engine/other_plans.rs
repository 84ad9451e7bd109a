//! Objects whose operators this build makes otherwise than the build that wrote the checkpoint. What their operators had kept does not fit, so they
//! are computed anew from the rows of the tables and views that they read, with all that reads from them. Objects that cannot be are refused by name.

use std::collections::{BTreeMap, BTreeSet};

use laminar_core::dag::NodeKind;
use laminar_core::{Code, Error, Result, StepId};

use super::Engine;
use crate::catalog::{Object, ObjectId, ObjectKind};
use crate::notice::{Notice, NoticeKind};
use crate::stored::StoredObject;

impl Engine {
    /// The objects whose state does not fit what their statements have made now, and all that need them: each before what it needs.
    /// Fails if one of them cannot be computed anew.
    pub(crate) fn with_other_plans(&self, objects: &[StoredObject]) -> Result<Vec<ObjectId>> {
        let mut order: Vec<ObjectId> = Vec::new();
        let mut differences: Vec<(ObjectId, Error)> = Vec::new();
        for object in objects {
            let id = ObjectId(object.context.id);
            let Err(difference) = self.nodes_of(object, &mut BTreeMap::new()) else { continue };
            for needing in self.catalog.with_dependants(id) {
                if !order.contains(&needing) {
                    order.push(needing);
                }
            }
            differences.push((id, difference));
        }
        let stored: BTreeMap<ObjectId, &StoredObject> =
            objects.iter().map(|object| (ObjectId(object.context.id), object)).collect();
        let anew: BTreeSet<ObjectId> = order.iter().copied().collect();
        for (id, difference) in differences {
            for affected in self.catalog.with_dependants(id) {
                if let Some(reason) = self.why_not_anew(affected, &anew, stored.get(&affected).copied()) {
                    return Err(not_anew(difference, &reason));
                }
            }
        }
        Ok(order)
    }

    /// Why an object cannot be computed from rows that are kept, beside the others in `anew`.
    fn why_not_anew(&self, id: ObjectId, anew: &BTreeSet<ObjectId>, stored: Option<&StoredObject>) -> Option<String> {
        let (object, stored) = (self.catalog.object(id)?, stored?);
        let name = &object.name;
        match object.kind() {
            ObjectKind::MaterializedView | ObjectKind::Stream | ObjectKind::View | ObjectKind::Index => {}
            ObjectKind::Sink => return Some(format!("the sink '{name}' has written its rows already")),
            ObjectKind::Subscription => return Some(format!("the subscription '{name}' has delivered its changes already")),
            ObjectKind::Source | ObjectKind::Table | ObjectKind::LookupTable => {
                return Some(format!("'{name}' itself keeps the rows"));
            }
        }
        if object.late_to.is_some() {
            return Some(format!("'{name}' has written its late rows into another object already"));
        }
        if !stored.side_streams.is_empty() {
            return Some(format!("others read the rows that '{name}' rejected"));
        }
        if let Some(forgetful) = object.depends_on.iter().find(|input| !anew.contains(input) && !self.catalog.keeps_rows(**input))
        {
            return Some(format!("'{name}' reads '{}', which keeps no rows", self.catalog.name_of(*forgetful)));
        }
        self.follows_arrivals(object).then(|| format!("what '{name}' shows depends on when its rows came"))
    }

    /// Whether a query shows something else if the same rows come all at once.
    fn follows_arrivals(&self, object: &Object) -> bool {
        let own = self.instances.nodes(object.id);
        let follows = |kind: &NodeKind| match kind {
            NodeKind::Changes(_) | NodeKind::Limit(_) => true,
            NodeKind::Join(join) => join.lookup.is_some(),
            _ => false,
        };
        self.reactor.graph().nodes().any(|node| own.contains(&node.id) && follows(&node.kind))
    }

    /// Runs the first steps of `objects`, whose nodes are there, and says that they were computed anew. The next step is the one behind `step`:
    /// subscriptions with a name count from there.
    pub(crate) fn compute_anew(&mut self, objects: &[StoredObject], step: StepId) -> Result<()> {
        self.settle_all()?;
        self.reactor.graph_mut().count_steps_from(step);
        let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        let text =
            format!("computed anew from what they read, since this build makes other operators of them: {}", names.join(", "));
        self.notices_of_opening.push(Notice::new(NoticeKind::Recovered, text, None));
        Ok(())
    }
}

fn not_anew(difference: Error, reason: &str) -> Error {
    let text = format!("{}, and it cannot be computed anew: {reason}", difference.message());
    let error = Error::new(Code::NotSupported, text);
    let error = difference.detail().into_iter().fold(error, |error, detail| error.with_detail(detail));
    difference.hint().into_iter().fold(error, |error, hint| error.with_hint(hint))
}
