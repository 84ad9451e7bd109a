//! One line for each figure: its value, what is asked for, and whether that is reached.

/// A figure.
pub(in super::super) struct Figure {
    /// What was measured.
    pub(in super::super) name: String,
    pub(in super::super) value: f64,
    pub(in super::super) unit: &'static str,
    /// What is asked for.
    target: Option<Target>,
    /// What it is to be read with.
    pub(in super::super) note: String,
}

/// A bound that a figure is to keep.
#[derive(Debug, Clone, Copy)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, target: None, note: String::new() }
    }

    pub(super) fn at_most(self, bound: f64) -> Self {
        Self { target: Some(Target::AtMost(bound)), ..self }
    }

    pub(super) fn at_least(self, bound: f64) -> Self {
        Self { target: Some(Target::AtLeast(bound)), ..self }
    }

    pub(super) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// What is asked for, in the figure's unit.
    pub(in super::super) fn target(&self) -> String {
        match self.target {
            None => String::new(),
            Some(Target::AtMost(bound)) => format!("at most {bound:.3}"),
            Some(Target::AtLeast(bound)) => format!("at least {bound:.3}"),
        }
    }

    pub(in super::super) fn reached(&self) -> &'static str {
        match self.target {
            None => "",
            Some(Target::AtMost(bound)) if self.value <= bound => "yes",
            Some(Target::AtLeast(bound)) if self.value >= bound => "yes",
            Some(_) => "NO",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_or_not() {
        let figure = |value| Figure::new("x", value, "us");
        for (figure, target, reached) in [
            (figure(1.0), "", ""),
            (figure(2.0).at_most(2.0), "at most 2.000", "yes"),
            (figure(2.1).at_most(2.0), "at most 2.000", "NO"),
            (figure(0.9).at_least(0.9), "at least 0.900", "yes"),
            (figure(0.8).at_least(0.9), "at least 0.900", "NO"),
            (figure(f64::NAN).at_least(0.9), "at least 0.900", "NO"),
        ] {
            assert_eq!((figure.target().as_str(), figure.reached()), (target, reached));
        }
    }
}
