//! Reads which cores and how much memory each node has.

use std::fs;
use std::path::Path;

use crate::thread::affinity;

/// Where Linux shows its nodes.
const SYSTEM_NODES: &str = "/sys/devices/system/node";

/// The nodes of this machine; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaTopology {
    nodes: Vec<NumaNode>,
}

/// A memory controller with the cores next to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaNode {
    /// The system's number.
    pub id: usize,
    /// The cores next to it, ascending; none for a node that is memory alone.
    pub cpus: Vec<usize>,
    /// Its memory; 0 if the system does not tell.
    pub memory_bytes: u64,
    /// The cost of reaching each node from here, in the order of the nodes: 10 is here, 20 twice as far. Empty if the
    /// system does not tell.
    pub distances: Vec<u32>,
}

impl NumaTopology {
    /// The nodes as the system shows them. Where it shows none: one node with all cores.
    ///
    /// ```
    /// let topology = laminar_core::numa::NumaTopology::detect();
    /// assert!(!topology.nodes().is_empty());
    /// ```
    pub fn detect() -> Self {
        Self::read(Path::new(SYSTEM_NODES)).unwrap_or_else(Self::single_node)
    }

    /// All cores on one node.
    fn single_node() -> Self {
        let all = || (0..std::thread::available_parallelism().map_or(1, usize::from)).collect();
        let cpus = affinity::allowed_cpus().unwrap_or_else(all);
        Self { nodes: vec![NumaNode { id: 0, cpus, memory_bytes: 0, distances: vec![10] }] }
    }

    /// The nodes below `folder`; `None` if there is none with a list of cores.
    fn read(folder: &Path) -> Option<Self> {
        let entries = fs::read_dir(folder).ok()?;
        let id = |name: &str| name.strip_prefix("node")?.parse().ok();
        let ids = entries.filter_map(|entry| id(entry.ok()?.file_name().to_str()?));
        let mut nodes: Vec<NumaNode> = ids.filter_map(|id| read_node(folder, id)).collect();
        nodes.sort_by_key(|node| node.id);
        (!nodes.is_empty()).then_some(Self { nodes })
    }

    /// The nodes, by ascending number.
    pub fn nodes(&self) -> &[NumaNode] {
        &self.nodes
    }

    /// True if all memory is equally near.
    pub fn is_single_node(&self) -> bool {
        self.nodes.len() == 1
    }

    /// The node that `cpu` is next to.
    pub fn node_of_cpu(&self, cpu: usize) -> Option<usize> {
        self.nodes.iter().find(|node| node.cpus.contains(&cpu)).map(|node| node.id)
    }

    /// The node that the current thread runs on at this moment; the first one if the system does not tell.
    pub fn current_node(&self) -> usize {
        affinity::current_cpu().and_then(|cpu| self.node_of_cpu(cpu)).unwrap_or(self.nodes[0].id)
    }
}

fn read_node(folder: &Path, id: usize) -> Option<NumaNode> {
    let folder = folder.join(format!("node{id}"));
    let read = |file: &str| fs::read_to_string(folder.join(file));
    let distances = read("distance").unwrap_or_default();
    Some(NumaNode {
        id,
        cpus: parse_cpus(&read("cpulist").ok()?)?,
        memory_bytes: parse_memory(&read("meminfo").unwrap_or_default()).unwrap_or(0),
        distances: distances.split_whitespace().filter_map(|cost| cost.parse().ok()).collect(),
    })
}

/// `0-3,8` is 0, 1, 2, 3 and 8.
fn parse_cpus(list: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in list.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

/// The bytes in the line `Node 0 MemTotal: 24 kB`.
fn parse_memory(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("MemTotal:"))?;
    let kilobytes: u64 = line.split_once("MemTotal:")?.1.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read() {
        for (list, cpus) in [
            ("0\n", Some(vec![0])),
            ("0-2,8,10-11", Some(vec![0, 1, 2, 8, 10, 11])),
            ("\n", Some(vec![])),
            ("0-x", None),
            ("a", None),
        ] {
            assert_eq!(parse_cpus(list), cpus, "{list:?}");
        }
    }

    /// A folder of nodes as Linux shows it, which goes away with the test.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = std::env::temp_dir().join(format!("laminar-numa-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn nodes_are_read_as_linux_shows_them() {
        let folder = Folder::new(
            "two",
            &[
                ("node1/cpulist", "2-3\n"),
                ("node1/distance", "21 10\n"),
                ("node0/cpulist", "0-1\n"),
                ("node0/meminfo", "\nNode 0 MemTotal:       2048 kB\nNode 0 MemFree: 1 kB\n"),
                ("node10/cpulist", "\n"),
                ("node7/other", "a node without a list of cores is left out"),
                ("possible", "0-1\n"),
                ("nodes/cpulist", "5\n"),
            ],
        );
        let topology = NumaTopology::read(&folder.0).unwrap();
        let node = |id, cpus: &[usize], memory_bytes, distances: &[u32]| NumaNode {
            id,
            cpus: cpus.to_vec(),
            memory_bytes,
            distances: distances.to_vec(),
        };
        let expected = [node(0, &[0, 1], 2_097_152, &[]), node(1, &[2, 3], 0, &[21, 10]), node(10, &[], 0, &[])];
        assert_eq!(topology.nodes(), expected);
        assert_eq!([1, 2, 9].map(|cpu| topology.node_of_cpu(cpu)), [Some(0), Some(1), None]);
        assert!(!topology.is_single_node());
    }

    #[test]
    fn a_machine_that_shows_no_nodes_has_one() {
        let folder = Folder::new("none", &[("possible", "0\n")]);
        assert_eq!(NumaTopology::read(&folder.0), None);
        assert_eq!(NumaTopology::read(Path::new("/no/such/folder")), None);
        let single = NumaTopology::single_node();
        assert!(single.is_single_node() && !single.nodes()[0].cpus.is_empty());
        assert_eq!(single.current_node(), 0);
    }
}
