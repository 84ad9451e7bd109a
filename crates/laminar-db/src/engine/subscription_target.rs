//! What can be listened to by name: the changes of an object, and what it rejected.

use arrow_schema::SchemaRef;
use laminar_core::dag::{EdgeProperties, Outlet, OutletId};
use laminar_core::{Error, NodeId, Result};

use super::Engine;
use crate::catalog::{Definition, Object, ObjectId, SideId};
use crate::history::Description;

/// A place to listen at.
pub(crate) struct SubscriptionTarget {
    pub(crate) node: NodeId,
    pub(crate) properties: EdgeProperties,
    /// Whether there are stored rows, with which a listener begins.
    pub(crate) stored: bool,
    /// How its changes are told.
    pub(crate) description: Description,
    /// The object whose changes or whose rejected rows they are.
    pub(crate) object: ObjectId,
    is_side: bool,
}

impl SubscriptionTarget {
    /// Whether it is a side output.
    pub(crate) fn is_side(&self) -> bool {
        self.is_side
    }
}

impl Engine {
    /// Where to listen to `name`, ready to be read.
    pub(crate) fn subscription_target(&mut self, name: &str) -> Result<SubscriptionTarget> {
        if let Some(side) = self.catalog.side(name) {
            return self.side_output_target(name, side);
        }
        let id = self.catalog.named(name)?.id;
        self.ensure_reader(id)?;
        let node = self.output_of(id)?;
        let object = self.catalog.named(name)?;
        let properties = object.properties().cloned().ok_or_else(|| Error::internal("an output without properties"))?;
        Ok(SubscriptionTarget {
            node,
            description: description_of(object, &properties),
            properties,
            stored: object.keeps_rows(),
            object: id,
            is_side: false,
        })
    }

    /// The columns of an object's rows, and how its changes are told.
    pub(crate) fn told_as(&self, id: ObjectId) -> Result<(SchemaRef, Description)> {
        let object = self.catalog.object(id).ok_or_else(|| Error::internal(format!("there is no {id}")))?;
        let properties = object.properties().ok_or_else(|| Error::internal(format!("{id} has no rows")))?;
        Ok((properties.schema.clone(), description_of(object, properties)))
    }

    fn side_output_target(&mut self, name: &str, side: SideId) -> Result<SubscriptionTarget> {
        self.ensure_side(side)?;
        let node = self.side_outputs.newest_stream(side).ok_or_else(|| self.catalog.unknown(name))?;
        let properties = self.reactor.graph().properties(node).cloned();
        let properties = properties.ok_or_else(|| Error::internal("a stream without properties"))?;
        let description = Description { kind: properties.changes.clone(), latest_only: false };
        Ok(SubscriptionTarget { node, description, properties, stored: true, object: side.object, is_side: true })
    }

    /// Makes the rows of a target flow that a subscription reads from now on; `with_rows`: those that a side output keeps come first.
    pub(crate) fn read_target(&mut self, target: &SubscriptionTarget, with_rows: bool) -> Result<()> {
        if with_rows || !target.is_side { self.want(target.node) } else { self.want_from_now(target.node) }
    }

    /// Listens there from now on; `snapshot`: the stored rows come first.
    pub(crate) fn listen(&mut self, target: &SubscriptionTarget, outlet: Box<dyn Outlet>, snapshot: bool) -> Result<OutletId> {
        let outlet = self.reactor.subscribe(target.node, outlet, snapshot && !target.is_side)?;
        self.read_target(target, snapshot)?;
        Ok(outlet)
    }
}

fn description_of(object: &Object, properties: &EdgeProperties) -> Description {
    let latest_only = matches!(object.definition, Definition::Query { latest_only: true, .. });
    Description { kind: properties.changes.clone(), latest_only }
}
