//! The one error of the project: a stable code, what is wrong, why, what to do, and where.

use std::fmt;

/// Result with the project's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A half-open byte range in the text of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What kind of trouble it is; a new kind exists only if a caller would act differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is not a statement of the language.
    Syntax,
    /// No source, table, stream, view or sink has that name.
    UnknownObject,
    /// No column has that name.
    UnknownColumn,
    /// No function has that name.
    UnknownFunction,
    /// No connector, format, option or setting has that name.
    UnknownOption,
    /// An option has a value that it cannot have.
    InvalidOption,
    /// Types do not fit together.
    TypeMismatch,
    /// A window, watermark or EMIT clause that cannot work as written.
    InvalidWindow,
    /// An append-only place would receive updates or deletions.
    NotAppendOnly,
    /// Valid SQL that is refused because it is not built (yet).
    NotSupported,
    /// The statement is valid but means nothing that can be planned.
    InvalidQuery,
    /// The name is taken.
    ObjectExists,
    /// Others depend on the object.
    ObjectInUse,
    /// A file or device failed.
    Io,
    /// Input data cannot be read as declared.
    BadData,
    /// Overflow, division by zero, a failed cast.
    Arithmetic,
    /// The disk has no room for what was to be written; nothing of it was taken in.
    DiskFull,
    /// A bound (memory, queue, rows) is reached.
    LimitReached,
    /// The operation was cancelled or the database is closed.
    Closed,
    /// A reader that does not keep up holds back what was pushed; nothing of it was taken.
    Backpressure,
    /// A mistake of ours.
    Internal,
}

impl Code {
    /// The stable text of the code, for programs and for `docs/06-errors.md`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Syntax => "LDB-1001",
            Code::UnknownObject => "LDB-1002",
            Code::UnknownColumn => "LDB-1003",
            Code::UnknownFunction => "LDB-1004",
            Code::UnknownOption => "LDB-1005",
            Code::InvalidOption => "LDB-1006",
            Code::TypeMismatch => "LDB-1007",
            Code::InvalidWindow => "LDB-1008",
            Code::NotAppendOnly => "LDB-1009",
            Code::NotSupported => "LDB-1010",
            Code::InvalidQuery => "LDB-1011",
            Code::ObjectExists => "LDB-2001",
            Code::ObjectInUse => "LDB-2002",
            Code::Io => "LDB-3001",
            Code::BadData => "LDB-3002",
            Code::Arithmetic => "LDB-3003",
            Code::DiskFull => "LDB-3004",
            Code::LimitReached => "LDB-4001",
            Code::Closed => "LDB-4002",
            Code::Backpressure => "LDB-4003",
            Code::Internal => "LDB-9001",
        }
    }
}

/// What went wrong, said once, in a form that both people and programs can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    code: Code,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    span: Option<Span>,
}

impl Error {
    /// An error with its primary message: lower case, no full stop, no internals.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { code, message: message.into(), detail: None, hint: None, span: None }))
    }

    /// A mistake of ours; the message says which invariant broke.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// Adds the reason, in sentences.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds what to write or do instead.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds where in the statement's text.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.0.span = Some(span);
        self
    }

    /// Puts `context` before the message: `reading 'a.csv': no such file`.
    #[must_use]
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The reason, if there is more to say.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to write or do instead.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the statement's text.
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.message)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<arrow_schema::ArrowError> for Error {
    fn from(error: arrow_schema::ArrowError) -> Self {
        use arrow_schema::ArrowError as A;
        let code = match &error {
            A::DivideByZero | A::ArithmeticOverflow(_) | A::CastError(_) | A::ComputeError(_) => Code::Arithmetic,
            A::CsvError(_) | A::JsonError(_) | A::ParquetError(_) | A::ParseError(_) | A::IpcError(_) => Code::BadData,
            A::IoError(..) => Code::Io,
            A::NotYetImplemented(_) => Code::NotSupported,
            _ => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::Io, error.to_string())
    }
}
