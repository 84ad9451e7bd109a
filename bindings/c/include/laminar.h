/* LaminarDB for C: open a database, run SQL, push rows, read results.
 *
 * Functions that return int return LAMINAR_OK or LAMINAR_ERROR; after an error the laminar_last_error_ functions tell, for the
 * calling thread, what went wrong. Texts are UTF-8 and end with NUL. A database may be used from several threads; a result
 * may be read from several threads, but freed only once. No function keeps a text or a pointer that it was given.
 *
 * Rows go in and out by the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html). Rows are a
 * struct array (format "+s") with one child for each column. Who receives a structure releases it, by its `release` member.
 */
#ifndef LAMINAR_H
#define LAMINAR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

#define LAMINAR_OK 0
#define LAMINAR_ERROR 1

/* A database. */
typedef struct laminar_database laminar_database;
/* Rows: of one query as of one moment, the changes of one step, or a batch that was imported. */
typedef struct laminar_result laminar_result;
/* A reader of changes. */
typedef struct LaminarSubscriptionHandle LaminarSubscriptionHandle;

/* Opens the database in the directory path, which is made if it is not there; ":memory:" is a new one without a directory. What was answered with
 * success survives a crash. On error *database is NULL: LDB-2002 while another process has the directory open. */
int laminar_open(const char* path, laminar_database** database);
/* Completes the output of sinks (of a directory: makes a checkpoint) and frees the database. NULL is allowed. */
void laminar_close(laminar_database* database);

/* Runs all statements of `sql` in order and stops at the first that fails; what was done before stays. */
int laminar_execute(laminar_database* database, const char* sql);
/* Runs one SELECT over tables and materialized views. On error *result is NULL. */
int laminar_query(laminar_database* database, const char* sql, laminar_result** result);

/* Pushes rows into a source without connector, or into a table; returns when every view is current. Takes over `array` and
 * `schema`, also when it fails (unless one of the two is NULL): their `release` is NULL afterwards. */
int laminar_push(laminar_database* database, const char* name, struct ArrowArray* array, struct ArrowSchema* schema);
/* Pushes all rows of a result, which stays the caller's: several databases or sources can take it. */
int laminar_push_result(laminar_database* database, const char* name, const laminar_result* result);
/* Says that nothing more will be pushed into a source: its windows close. */
int laminar_end_source(laminar_database* database, const char* name);

/* Reads connectors until every bounded source has ended. With an unbounded one it works until laminar_stop. */
int laminar_run(laminar_database* database);
/* Makes laminar_run return soon; for use from another thread. */
void laminar_stop(laminar_database* database);

/* Rows of a result, and the batches that they are in. 0 for NULL. */
uint64_t laminar_row_count(const laminar_result* result);
uint64_t laminar_batch_count(const laminar_result* result);
/* Gives out the columns' names and types, batch `index` (from 0) with them, or a stream of all batches. What is given out
 * stays valid after the result is freed, until the caller releases it. */
int laminar_schema_export(const laminar_result* result, struct ArrowSchema* schema);
int laminar_batch_export(const laminar_result* result, uint64_t index, struct ArrowArray* array, struct ArrowSchema* schema);
int laminar_stream_export(const laminar_result* result, struct ArrowArrayStream* stream);
/* Makes a result of one batch out of the caller's rows. Takes over `array` and `schema` as laminar_push does; what they point to is
 * read as long as the result, or a view, needs it: until their `release` is called. */
int laminar_batch_import(struct ArrowArray* array, struct ArrowSchema* schema, laminar_result** result);
/* Frees a result. NULL is allowed. */
void laminar_result_free(laminar_result* result);

/* Changes come step by step, as results with the columns `step` (UINT64), `op` and those of the rows. `op` is "+I" for a new row,
 * "-D" for one that is gone, "-U" and "+U" for a row before and after an update. The current rows come first if they are stored. */

/* Subscribes to a source, table, stream or materialized view, or to a SELECT over them, for reading with laminar_subscription_next.
 * A reader that falls too far behind gets an error with the code LDB-4001; pushes do not wait for it. On error *subscription is NULL. */
int laminar_subscribe(laminar_database* database, const char* name_or_query, LaminarSubscriptionHandle** subscription);
/* Writes the changes of the next step, to be freed by laminar_result_free; *changes is NULL if nothing came. Reads connectors where
 * that brings changes. Waits up to `timeout_ms`, also for what other threads push; 0 only looks; a negative timeout waits until
 * nothing more comes without a push: then it is an error if a source has stopped before its end. */
int laminar_subscription_next(LaminarSubscriptionHandle* subscription, int64_t timeout_ms, laminar_result** changes);
/* 1 once nothing will come any more and everything has been read, else 0. For subscriptions that are polled. */
int laminar_subscription_finished(const LaminarSubscriptionHandle* subscription);
/* Gives out the columns of the changes, `step` and `op` first. For subscriptions that are polled. */
int laminar_subscription_schema_export(const LaminarSubscriptionHandle* subscription, struct ArrowSchema* schema);

/* What hears changes: those of one step, which stay the library's and are valid until the callback returns (what is exported from
 * them lives on); or, once and last, NULL: then all inputs have ended, or `error` says why nothing more comes. */
typedef void (*laminar_changes_callback)(void* context, const laminar_result* changes, const char* error);
/* Calls `callback` with the changes of every step of an object, on the thread that pushes, executes or runs, before that call
 * returns; where several threads push, on any of them. The callback must not block and must not call a function that takes a database or subscription. */
int laminar_subscribe_callback(laminar_database* database, const char* name, laminar_changes_callback callback, void* context, LaminarSubscriptionHandle** subscription);

/* Ends a subscription of either kind and frees it, before or after the database is closed. NULL is allowed. A callback is not called
 * any more when this returns. */
void laminar_unsubscribe(LaminarSubscriptionHandle* subscription);

/* The calling thread's last error. The texts stay valid until its next error. A code such as "LDB-1002" is stable; the hint
 * may be NULL; the position is a byte of the SQL text, or -1. */
const char* laminar_last_error_code(void);
const char* laminar_last_error_message(void);
const char* laminar_last_error_hint(void);
int64_t laminar_last_error_position(void);

/* What the calling thread's last laminar_execute, laminar_query or laminar_subscribe had to say beside its answer, a line each: that rows
 * are missing, because a source has stopped or because the oldest rows of a side output are forgotten. NULL if nothing. Valid until the next such call. */
const char* laminar_last_notices(void);

/* The version of the library. */
const char* laminar_version(void);

#ifdef __cplusplus
}
#endif

#endif /* LAMINAR_H */
