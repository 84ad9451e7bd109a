//! What is to be said beside the answer of a statement: that it lacks rows, and why.

use laminar_core::Error;
use laminar_core::dag::NodeStatus;
use laminar_sql::parse::StreamQuery;

use super::{Engine, ReaderState};
use crate::catalog::{ObjectId, SideId, inputs_in, kind_name, sides_in};
use crate::settings::size_text;
use crate::{Notice, NoticeKind};

impl Engine {
    /// What is to be said beside the rows of `query`.
    pub(crate) fn notices_of_query(&self, query: &StreamQuery) -> Vec<Notice> {
        self.notices(&inputs_in(query, &self.catalog), &sides_in(query, &self.catalog))
    }

    /// The same for the rows, or a side output, of an object.
    pub(crate) fn notices_of_object(&self, name: &str) -> Vec<Notice> {
        match self.catalog.side(name) {
            Some(side) => self.notices(&[side.object], &[side]),
            None => self.notices(&self.catalog.id_of(name).map_or(Vec::new(), |id| vec![id]), &[]),
        }
    }

    fn notices(&self, inputs: &[ObjectId], sides: &[SideId]) -> Vec<Notice> {
        let mut notices: Vec<Notice> = self.failures_before(inputs).map(|(id, error)| self.partial(id, &error)).collect();
        for notice in sides.iter().filter_map(|side| self.forgotten(*side)) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        notices
    }

    /// What has stopped of `inputs` and of all that they get rows from.
    pub(crate) fn failures_before(&self, inputs: &[ObjectId]) -> impl Iterator<Item = (ObjectId, Error)> {
        let feeders = self.catalog.with_feeders(inputs);
        feeders.into_iter().filter_map(|id| self.failure_of(id).map(|error| (id, error)))
    }

    /// Why an object does not go on, if it has stopped.
    fn failure_of(&self, id: ObjectId) -> Option<Error> {
        let mut readers = self.readers.iter().filter(|reader| reader.object == id);
        let of_reader = readers.find_map(|reader| match &reader.state {
            ReaderState::Failed(error) => Some(error.clone()),
            _ => None,
        });
        of_reader.or_else(|| {
            let mut nodes = self.instances.nodes(id).iter();
            nodes.find_map(|node| match self.reactor.graph().status(*node) {
                Ok(NodeStatus::Failed(error)) => Some(error),
                _ => None,
            })
        })
    }

    fn partial(&self, id: ObjectId, error: &Error) -> Notice {
        let name = self.catalog.name_of(id);
        let kind = self.catalog.object(id).map(|object| kind_name(object.kind()).to_lowercase()).unwrap_or_default();
        let message =
            format!("the answer is partial: {kind} '{name}' has stopped: {}: {}", error.code().as_str(), error.message());
        Notice::new(NoticeKind::Partial, message, error.hint().map(str::to_owned))
    }

    fn forgotten(&self, side: SideId) -> Option<Notice> {
        let kept = self.side_outputs.kept(side).filter(|kept| kept.rows < kept.of)?;
        let side = self.catalog.side_name(side);
        let message = format!(
            "of the {} rows of {side} the newest {} are kept, within {} (side_output_memory)",
            kept.of,
            kept.rows,
            size_text(self.settings.side_output_memory)
        );
        let hint = format!(
            "before the rows come, SET side_output_memory = '1 GiB', or keep all of them: CREATE SINK name FROM {side} INTO FILE (path = '…')"
        );
        Some(Notice::new(NoticeKind::Forgotten, message, Some(hint)))
    }
}
