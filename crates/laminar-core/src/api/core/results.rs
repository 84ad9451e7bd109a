//! The way back: an outlet that puts what comes out of the graph into a queue to the caller.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::event::{CoreOutput, Emitted};
use super::shared::Shared;
use crate::runtime::Outlet;
use crate::thread::spsc::Producer;
use crate::time::Watermark;
use crate::{ChangeBatch, Code, Error, NodeId, StepId};

/// Listens at one output of the graph. What finds no room in the queue waits here, and the core takes nothing new in until it
/// is gone: so what waits is at most what one step emits.
pub(super) struct Results {
    core: usize,
    node: NodeId,
    queue: Producer<CoreOutput>,
    waiting: RefCell<VecDeque<CoreOutput>>,
    watermark: Watermark,
    shared: Arc<Shared>,
}

impl Results {
    pub(super) fn new(core: usize, node: NodeId, queue: Producer<CoreOutput>, shared: Arc<Shared>) -> Self {
        Self { core, node, queue, waiting: RefCell::default(), watermark: Watermark::START, shared }
    }

    fn put(&mut self, step: StepId, emitted: Emitted) {
        let output = CoreOutput { core: self.core, node: self.node, step, emitted };
        let waiting = self.waiting.get_mut();
        let unsent = if waiting.is_empty() { self.queue.push(output).err() } else { Some(output) };
        if let Some(output) = unsent {
            waiting.push_back(output);
            self.shared.held.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts what waits into the queue, as far as there is room.
    fn flush(&self) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(output) = waiting.pop_front() {
            if let Err(output) = self.queue.push(output) {
                waiting.push_front(output);
                return;
            }
            self.shared.held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Outlet for Results {
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, _now: i64) {
        changes.iter().for_each(|changes| self.put(step, Emitted::Changes(changes.clone())));
        if watermark > self.watermark {
            self.watermark = watermark;
            self.put(step, Emitted::Watermark(watermark));
        }
    }

    fn ready(&self) -> bool {
        self.flush();
        self.waiting.borrow().is_empty()
    }

    fn failed(&mut self, error: &Error) {
        // `Closed` says that the caller has taken the node out.
        if error.code() != Code::Closed {
            self.shared.fail(error.clone());
        }
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        self.flush();
        self.shared.held.fetch_sub(self.waiting.get_mut().len(), Ordering::Relaxed);
    }
}
