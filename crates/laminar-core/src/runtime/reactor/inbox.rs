//! What waits in front of one source, in the order in which it was pushed.

use std::collections::VecDeque;

use crate::runtime::SourceInput;
use crate::time::Watermark;
use crate::{ChangeBatch, NodeId};

/// The queue of one source.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) source: NodeId,
    waiting: VecDeque<SourceInput>,
    rows: usize,
    pub(super) ended: bool,
    /// What comes here is in no hurry: a caller that waits for an answer does not wait for it.
    pub(super) deferred: bool,
    /// The connected component of the source.
    pub(super) component: usize,
}

impl Inbox {
    pub(super) fn new(source: NodeId) -> Self {
        Self { source, waiting: VecDeque::new(), rows: 0, ended: false, deferred: false, component: 0 }
    }

    pub(super) fn push(&mut self, changes: ChangeBatch) {
        self.rows += changes.len();
        self.waiting.push_back(SourceInput::Changes(changes));
    }

    pub(super) fn advance(&mut self, watermark: Watermark) {
        if !self.ended {
            self.ended = watermark.is_end();
            self.waiting.push_back(SourceInput::Watermark(watermark));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Rows that wait.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes out what the next step may have, `rows_left` rows at most; a batch that is too large is cut.
    pub(super) fn take(&mut self, rows_left: &mut usize) -> Option<SourceInput> {
        match self.waiting.pop_front()? {
            SourceInput::Changes(changes) if changes.len() > *rows_left => {
                let now = (*rows_left > 0).then(|| changes.slice(0, *rows_left));
                let later = changes.slice(*rows_left, changes.len() - *rows_left);
                self.rows -= *rows_left;
                *rows_left = 0;
                self.waiting.push_front(SourceInput::Changes(later));
                now.map(SourceInput::Changes)
            }
            SourceInput::Changes(changes) => {
                self.rows -= changes.len();
                *rows_left -= changes.len();
                Some(SourceInput::Changes(changes))
            }
            watermark @ SourceInput::Watermark(_) => {
                // Within a step all changes come first, so those behind the watermark belong to the next step.
                *rows_left = 0;
                Some(watermark)
            }
        }
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.rows = 0;
    }
}
