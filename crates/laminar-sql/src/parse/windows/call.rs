//! What a window's arguments say: names, lengths, offset, time zone, and the bounds that they must keep.

use chrono_tz::{TZ_VARIANTS, Tz};
use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned, Value};
use datafusion::sql::sqlparser::tokenizer;
use laminar_core::time::windows::{MonthOffset, WindowKind, WindowShape, WindowUnit};
use laminar_core::{Code, Error, Result, Span};

use crate::diagnostic::nearest;
use crate::parse::interval::{self, Length, NoLength};
use crate::parse::position::LineIndex;
use crate::parse::syntax;
use crate::parse::window_call::{WINDOW_END, WINDOW_START, WindowCall};

/// The kinds of windows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Tumble,
    Hop,
    Session,
    Cumulate,
}

impl Family {
    /// The window function of a name: `TUMBLE`, `hop`, `SLIDE`, …
    pub(super) fn of(name: &str) -> Option<Family> {
        match name.to_ascii_uppercase().as_str() {
            "TUMBLE" => Some(Family::Tumble),
            "HOP" | "SLIDE" => Some(Family::Hop),
            "SESSION" => Some(Family::Session),
            "CUMULATE" => Some(Family::Cumulate),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Tumble => "TUMBLE",
            Family::Hop => "HOP",
            Family::Session => "SESSION",
            Family::Cumulate => "CUMULATE",
        }
    }

    /// How many lengths stand behind the time, without the offset.
    fn lengths(self) -> usize {
        match self {
            Family::Tumble | Family::Session => 1,
            Family::Hop | Family::Cumulate => 2,
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Family::Tumble => "write TUMBLE(ts, INTERVAL '1' MINUTE)",
            Family::Hop => "write HOP(ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE): slide and size",
            Family::Session => "write SESSION(ts, INTERVAL '30' MINUTE)",
            Family::Cumulate => "write CUMULATE(ts, INTERVAL '1' HOUR, INTERVAL '1' DAY): step and size",
        }
    }
}

/// What of a window a function names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `TUMBLE(…)`.
    Both,
    /// `TUMBLE_START(…)`, `window_start`.
    Start,
    /// `TUMBLE_END(…)`, `window_end`.
    End,
}

/// The window and part that a function names.
pub(super) fn named(function: &Function) -> Option<(Family, Part)> {
    let [part] = function.name.0.as_slice() else { return None };
    let ident = part.as_ident().filter(|ident| ident.quote_style.is_none())?;
    let name = ident.value.to_ascii_uppercase();
    if let Some(family) = Family::of(&name) {
        return Some((family, Part::Both));
    }
    let (family, part) = name.rsplit_once('_')?;
    let part = match part {
        "START" => Part::Start,
        "END" => Part::End,
        _ => return None,
    };
    Some((Family::of(family)?, part))
}

/// A window over a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub(super) family: Family,
    pub(super) time: Expr,
    pub(super) call: WindowCall,
    /// By what sessions are kept apart, if the call says so.
    pub(super) partition: Vec<Expr>,
}

impl Window {
    /// The marker call for one end of the window, at a place in the text.
    pub(super) fn marker(&self, part: Part, place: tokenizer::Span) -> Expr {
        let name = if part == Part::End { WINDOW_END } else { WINDOW_START };
        let mut args = vec![self.time.clone(), syntax::string(self.call.to_spec())];
        args.extend(self.partition.iter().cloned());
        syntax::call(Ident::with_span(place, name), args)
    }

    /// Whether both cut time in the same way.
    pub(super) fn is_same(&self, other: &Window) -> bool {
        self.time == other.time && self.call == other.call && self.partition == other.partition
    }
}

/// Whether an expression is a marker call.
pub(super) fn is_marker(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if matches!(function.name.to_string().as_str(), WINDOW_START | WINDOW_END))
}

/// Reads `TUMBLE(ts, …)`, the form in `GROUP BY`; `TUMBLE_START(ts, …)` has the same arguments.
pub(super) fn read(family: Family, function: &Function, lines: &LineIndex<'_>) -> Result<Window> {
    let whole = Expr::Function(function.clone());
    let args = match &function.args {
        FunctionArguments::List(list) => positional(family, &list.args).map_err(|error| place(error, &whole, lines))?,
        FunctionArguments::None | FunctionArguments::Subquery(_) => vec![],
    };
    let Some((time, rest)) = args.split_first() else {
        let error = Error::new(Code::InvalidWindow, format!("{} has no arguments", family.name())).with_hint(family.usage());
        return Err(place(error, &whole, lines));
    };
    let call = call_of(family, time, rest, &whole, lines)?;
    Ok(Window { family, time: (*time).clone(), call, partition: vec![] })
}

/// Arguments in their order; named ones, as Flink has them, are brought into it.
pub(super) fn positional(family: Family, args: &[FunctionArg]) -> Result<Vec<&Expr>> {
    const NAMES: &[&str] = &["DATA", "TIMECOL", "SLIDE", "STEP", "SIZE", "GAP", "OFFSET", "ZONE"];
    let mut found = Vec::new();
    for (number, arg) in args.iter().enumerate() {
        let (rank, expr) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (number, expr),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => (rank_of(&name.value, NAMES)?, expr),
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                (rank_of(&name.value, NAMES)?, expr)
            }
            _ => {
                return Err(Error::new(Code::InvalidWindow, format!("'{arg}' is no argument of {}", family.name()))
                    .with_hint(family.usage()));
            }
        };
        found.push((rank, expr));
    }
    found.sort_by_key(|(rank, _)| *rank);
    Ok(found.into_iter().map(|(_, expr)| expr).collect())
}

fn rank_of(name: &str, names: &[&str]) -> Result<usize> {
    names.iter().position(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let error = Error::new(Code::InvalidWindow, format!("windows have no argument '{name}'"));
        match nearest(name, names.iter().copied()) {
            Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
            None => error.with_hint(format!("they have {}", names.join(", "))),
        }
    })
}

/// Reads the lengths, offset and zone behind the time.
pub(super) fn call_of(family: Family, time: &Expr, rest: &[&Expr], whole: &Expr, lines: &LineIndex<'_>) -> Result<WindowCall> {
    if matches!(time, Expr::Value(_) | Expr::Interval(_)) {
        let error = Error::new(Code::InvalidWindow, format!("the first argument of {} is the event time column", family.name()));
        return Err(place(error.with_hint(family.usage()), time, lines));
    }
    let mut lengths = Vec::new();
    let mut zone = None;
    for (number, arg) in rest.iter().enumerate() {
        let at = |error: Error| place(error.with_hint(family.usage()), arg, lines);
        match interval::of_expr(arg) {
            Ok(length) if lengths.len() == number => lengths.push(length),
            Ok(_) => return Err(at(Error::new(Code::InvalidWindow, "the time zone is the last argument"))),
            Err(_) if number >= family.lengths() && zone.is_none() => {
                zone = Some(zone_of(arg).map_err(|error| place(error, arg, lines))?)
            }
            Err(NoLength::Unreadable(why)) => return Err(at(Error::new(Code::InvalidWindow, why))),
            Err(NoLength::OtherThing) => {
                let message = if number >= family.lengths() {
                    "there are too many arguments"
                } else {
                    "the length of a window is an interval"
                };
                return Err(at(Error::new(Code::InvalidWindow, message)));
            }
        }
    }
    let is_complete = lengths.len() == family.lengths() || (lengths.len() == family.lengths() + 1 && family != Family::Session);
    if !is_complete {
        let message =
            format!("{} has {} behind the time, but takes {}", family.name(), counted(lengths.len()), counted(family.lengths()));
        return Err(place(Error::new(Code::InvalidWindow, message).with_hint(family.usage()), whole, lines));
    }
    let offset = if lengths.len() > family.lengths() { lengths.pop() } else { None };
    build(family, &lengths, offset, zone.filter(|zone| *zone != Tz::UTC)).map_err(|error| place(error, whole, lines))
}

fn counted(lengths: usize) -> String {
    if lengths == 1 { "1 interval".to_owned() } else { format!("{lengths} intervals") }
}

fn zone_of(arg: &Expr) -> Result<Tz> {
    let name = match arg {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(name) => name,
            _ => return Err(Error::new(Code::InvalidWindow, "a time zone is a string").with_hint("write 'Europe/Berlin'")),
        },
        _ => return Err(Error::new(Code::InvalidWindow, "a time zone is a string").with_hint("write 'Europe/Berlin'")),
    };
    TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied().ok_or_else(|| {
        let error = Error::new(Code::InvalidWindow, format!("there is no time zone '{name}'"));
        match nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name())) {
            Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
            None => error.with_hint("write the name of a place, as in 'Europe/Berlin'"),
        }
    })
}

fn build(family: Family, lengths: &[Length], offset: Option<Length>, zone: Option<Tz>) -> Result<WindowCall> {
    let (sizes, is_months) = one_unit(lengths)?;
    let kind = match (family, sizes.as_slice()) {
        (Family::Session, [gap]) => return session(*gap, is_months, zone),
        (Family::Tumble, [size]) => WindowKind::Tumbling { size: *size },
        // Systems differ in the order, so the smaller interval is the slide.
        (Family::Hop, [a, b]) if a == b => WindowKind::Tumbling { size: *a },
        (Family::Hop, [a, b]) => WindowKind::Hopping { size: *a.max(b), slide: *a.min(b) },
        (Family::Cumulate, [a, b]) if a == b => WindowKind::Tumbling { size: *a },
        (Family::Cumulate, [step, size]) => WindowKind::Cumulating { step: *step, size: *size },
        _ => return Err(Error::internal("a window has another number of lengths than its family")),
    };
    let unit = if is_months { months(offset, zone) } else { WindowUnit::Nanos { offset: fixed(offset)?, zone } };
    let shape = WindowShape { kind, unit };
    shape.validate().map_err(|error| if error.hint().is_some() { error } else { error.with_hint(family.usage()) })?;
    Ok(WindowCall::Panes(shape))
}

fn session(gap: i64, is_months: bool, zone: Option<Tz>) -> Result<WindowCall> {
    let refused = |message: &str, hint: &str| Err(Error::new(Code::InvalidWindow, message).with_hint(hint));
    if is_months {
        return refused("the gap of a session cannot be counted in months", "write it in days");
    }
    if zone.is_some() {
        return refused("a session has no time zone", "leave it out: a gap is the same everywhere");
    }
    if gap <= 0 {
        return refused("the gap of a session must be greater than zero", Family::Session.usage());
    }
    Ok(WindowCall::Session { gap })
}

/// The lengths in months or in nanoseconds, all in the same.
fn one_unit(lengths: &[Length]) -> Result<(Vec<i64>, bool)> {
    if lengths.iter().all(|length| length.months == 0) {
        return Ok((lengths.iter().map(|length| length.nanos).collect(), false));
    }
    if lengths.iter().all(|length| length.nanos == 0) {
        return Ok((lengths.iter().map(|length| length.months).collect(), true));
    }
    let error = Error::new(Code::InvalidWindow, "a window mixes months with shorter units");
    Err(error.with_hint("use months, quarters and years alone, or weeks and shorter units alone: months differ in length"))
}

fn months(offset: Option<Length>, zone: Option<Tz>) -> WindowUnit {
    let offset = offset.map_or(MonthOffset::NONE, |Length { months, nanos }| MonthOffset { months, nanos });
    WindowUnit::Months { offset, zone }
}

fn fixed(offset: Option<Length>) -> Result<i64> {
    match offset {
        None => Ok(0),
        Some(Length { months: 0, nanos }) => Ok(nanos),
        Some(_) => {
            Err(Error::new(Code::InvalidWindow, "the offset of a window cannot be counted in months")
                .with_hint("write it in days"))
        }
    }
}

/// The error at an expression, unless it already has a place.
pub(super) fn place(error: Error, expr: &Expr, lines: &LineIndex<'_>) -> Error {
    match (error.span(), span_of(expr.span(), lines)) {
        (None, Some(span)) => error.at(span),
        _ => error,
    }
}

/// The byte range of a part of the tree, if it was written.
pub(super) fn span_of(span: tokenizer::Span, lines: &LineIndex<'_>) -> Option<Span> {
    lines.span(span).filter(|span| span.end > span.start)
}
