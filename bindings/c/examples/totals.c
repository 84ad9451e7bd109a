/* Pushes trades into a source and reads the totals that a view keeps: cc totals.c -I ../include -llaminar */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "laminar.h"

static int failed(const char* what) {
  fprintf(stderr, "%s: %s: %s\n", what, laminar_last_error_code(), laminar_last_error_message());
  return 1;
}

/* The columns below are constants, so that releasing them frees nothing. */
static void release_array(struct ArrowArray* array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    if (array->children[i]->release) array->children[i]->release(array->children[i]);
  }
  array->release = NULL;
}

static void release_schema(struct ArrowSchema* schema) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
  }
  schema->release = NULL;
}

static const int32_t symbol_ends[] = {0, 1, 2, 3, 4};
static const char symbol_text[] = "ABAA";
static const int64_t volumes[] = {10, 20, 30, 40};
static const uint8_t volume_valid[] = {0x07}; /* the fourth is NULL */
static const void* symbol_buffers[] = {NULL, symbol_ends, symbol_text};
static const void* volume_buffers[] = {volume_valid, volumes};
static const void* no_buffers[] = {NULL};

static int push_trades(laminar_database* db, const char* source, const char* volume_format) {
  struct ArrowArray symbol = {4, 0, 0, 3, 0, symbol_buffers, NULL, NULL, release_array, NULL};
  struct ArrowArray volume = {4, 1, 0, 2, 0, volume_buffers, NULL, NULL, release_array, NULL};
  struct ArrowArray* columns[] = {&symbol, &volume};
  struct ArrowArray rows = {4, 0, 0, 1, 2, no_buffers, columns, NULL, release_array, NULL};

  struct ArrowSchema symbol_type = {"u", "symbol", NULL, ARROW_FLAG_NULLABLE, 0, NULL, NULL, release_schema, NULL};
  struct ArrowSchema volume_type = {volume_format, "volume", NULL, ARROW_FLAG_NULLABLE, 0, NULL, NULL, release_schema, NULL};
  struct ArrowSchema* types[] = {&symbol_type, &volume_type};
  struct ArrowSchema type = {"+s", "", NULL, 0, 2, types, NULL, release_schema, NULL};

  int status = laminar_push(db, source, &rows, &type);
  if (rows.release || type.release) {
    fprintf(stderr, "push did not take the rows over\n");
    exit(1);
  }
  return status;
}

/* Prints column 0, a BIGINT, of every batch of a query's only column. */
static int print_query(laminar_database* db, const char* sql) {
  laminar_result* result;
  if (laminar_query(db, sql, &result)) return failed("query");
  printf("%" PRIu64 " rows in %s batches\n", laminar_row_count(result), laminar_batch_count(result) ? "some" : "no");
  for (uint64_t i = 0; i < laminar_batch_count(result); i++) {
    struct ArrowArray array;
    struct ArrowSchema schema;
    if (laminar_batch_export(result, i, &array, &schema)) return failed("export");
    const struct ArrowArray* column = array.children[0];
    const int64_t* values = (const int64_t*)column->buffers[1] + column->offset;
    for (int64_t row = 0; row < column->length; row++) {
      printf("%s (%s) = %" PRId64 "\n", schema.children[0]->name, schema.children[0]->format, values[row]);
    }
    array.release(&array);
    schema.release(&schema);
  }
  laminar_result_free(result);
  return 0;
}

static int print_stream(laminar_database* db) {
  laminar_result* result;
  struct ArrowArrayStream stream;
  struct ArrowSchema schema;
  if (laminar_query(db, "SELECT total FROM totals", &result)) return failed("query");
  if (laminar_schema_export(result, &schema)) return failed("schema");
  printf("%" PRId64 " column\n", schema.n_children);
  schema.release(&schema);
  if (laminar_stream_export(result, &stream)) return failed("stream");
  laminar_result_free(result); /* the stream lives on */
  int64_t rows = 0;
  for (;;) {
    struct ArrowArray array;
    if (stream.get_next(&stream, &array)) return failed("next");
    if (!array.release) break;
    rows += array.length;
    array.release(&array);
  }
  stream.release(&stream);
  printf("%" PRId64 " rows by stream\n", rows);
  return 0;
}

/* Errors have a code, a message, a hint and a position; and misuse is an error, not a crash. */
static void show_errors(laminar_database* db) {
  laminar_result* result = (laminar_result*)1;
  if (laminar_query(db, "SELECT totl FROM totals", &result) == LAMINAR_ERROR) {
    printf("%s at byte %" PRId64 ", result %s\n", laminar_last_error_code(), laminar_last_error_position(), result ? "left" : "NULL");
    printf("hint: %s\n", laminar_last_error_hint() ? "yes" : "none");
  }
  if (push_trades(db, "trades", "e")) printf("a wrong type: %s\n", laminar_last_error_code());
  if (push_trades(db, "nowhere", "l")) printf("a wrong name: %s\n", laminar_last_error_code());
  if (laminar_execute(db, NULL)) printf("%s\n", laminar_last_error_message());
  if (laminar_execute(NULL, "SELECT 1")) printf("%s\n", laminar_last_error_message());
  laminar_database* other;
  if (laminar_open("/dev/null/app", &other)) printf("%s, database %s\n", laminar_last_error_code(), other ? "left" : "NULL");
  laminar_close(NULL);
  laminar_result_free(NULL);
}

int main(void) {
  laminar_database* db;
  if (!laminar_version() || laminar_last_error_code()) return 1;
  if (laminar_open(":memory:", &db)) return failed("open");
  if (laminar_execute(db,
                      "CREATE SOURCE trades (symbol VARCHAR, volume BIGINT);"
                      "CREATE MATERIALIZED VIEW totals AS"
                      "  SELECT symbol, CAST(sum(volume) AS BIGINT) AS total FROM trades GROUP BY symbol;"
                      "CREATE SOURCE numbers (n BIGINT) FROM GENERATOR (rows = 1000, fields.n.kind = 'sequence');"
                      "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM numbers"))
    return failed("execute");
  if (push_trades(db, "trades", "l") || push_trades(db, "trades", "l")) return failed("push");
  if (print_query(db, "SELECT total FROM totals ORDER BY symbol")) return 1;
  if (print_stream(db)) return 1;
  if (laminar_end_source(db, "trades")) return failed("end");
  if (laminar_run(db)) return failed("run");
  if (print_query(db, "SELECT n FROM counted")) return 1;
  show_errors(db);
  laminar_stop(db);
  if (laminar_run(db)) return failed("run after stop");
  laminar_close(db);
  return 0;
}
