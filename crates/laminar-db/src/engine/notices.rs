//! What is to be said beside the answer of a statement: that it lacks rows, and why.

use laminar_core::Error;
use laminar_core::dag::NodeStatus;
use laminar_sql::parse::StreamQuery;

use super::side_outputs::SideName;
use super::{Engine, ReaderState};
use crate::catalog::{inputs_in, kind_name, sides_in};
use crate::settings::size_text;
use crate::{Notice, NoticeKind};

impl Engine {
    /// What is to be said beside the rows of `query`.
    pub(crate) fn notices_of_query(&self, query: &StreamQuery) -> Vec<Notice> {
        self.notices(&inputs_in(query, &self.catalog), &sides_in(query, &self.catalog))
    }

    /// The same for the rows, or a side output, of an object.
    pub(crate) fn notices_of_object(&self, name: &str) -> Vec<Notice> {
        match SideName::parse(name) {
            Some(side) => self.notices(std::slice::from_ref(&side.object), std::slice::from_ref(&side)),
            None => self.notices(&[name.to_owned()], &[]),
        }
    }

    fn notices(&self, inputs: &[String], sides: &[SideName]) -> Vec<Notice> {
        let mut notices: Vec<Notice> = self.failures_before(inputs).map(|(name, error)| self.partial(&name, &error)).collect();
        for notice in sides.iter().filter_map(|side| self.forgotten(side)) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        notices
    }

    /// What has stopped of `inputs` and of all that they get rows from.
    pub(crate) fn failures_before(&self, inputs: &[String]) -> impl Iterator<Item = (String, Error)> {
        let names = self.catalog.with_feeders(inputs);
        names.into_iter().filter_map(|name| self.failure_of(&name).map(|error| (name, error)))
    }

    /// Why an object does not go on, if it has stopped.
    fn failure_of(&self, name: &str) -> Option<Error> {
        let mut readers = self.readers.iter().filter(|reader| reader.name == name);
        let of_reader = readers.find_map(|reader| match &reader.state {
            ReaderState::Failed(error) => Some(error.clone()),
            _ => None,
        });
        of_reader.or_else(|| {
            let mut nodes = self.catalog.get(name)?.nodes.iter();
            nodes.find_map(|node| match self.reactor.graph().status(*node) {
                Ok(NodeStatus::Failed(error)) => Some(error),
                _ => None,
            })
        })
    }

    fn partial(&self, name: &str, error: &Error) -> Notice {
        let kind = self.catalog.get(name).map(|object| kind_name(object.kind()).to_lowercase()).unwrap_or_default();
        let message =
            format!("the answer is partial: {kind} '{name}' has stopped: {}: {}", error.code().as_str(), error.message());
        Notice::new(NoticeKind::Partial, message, error.hint().map(str::to_owned))
    }

    fn forgotten(&self, side: &SideName) -> Option<Notice> {
        let kept = self.side_outputs.kept(side).filter(|kept| kept.rows < kept.of)?;
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
