/* What the programs share: load a SavedModel and find the tensors of a signature. No Python. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"
static void fail(const char *what, const char *why) {
  const char *hint = strstr(why, "not registered") ? "\nIs it of subwords? write and generate take --library FILE." : "";
  fprintf(stderr, "error: %s: %s%s\n", what, why, hint), exit(1);
}
static void check(const TF_Status *status, const char *what) { if (TF_GetCode(status)) fail(what, TF_Message(status)); }

/* The signature tells which tensors of the graph are its inputs and outputs; their names change from export
   to export (StatefulPartitionedCall:0, StatefulPartitionedCall_1:3, ...). The C API hands the signature over only as a
   serialized protobuf, of which we need four facts (tensorflow/core/protobuf/meta_graph.proto): MetaGraphDef has
   map signature_def = 5; SignatureDef has map inputs = 1 and map outputs = 2; TensorInfo has string name = 1. */
typedef struct { const unsigned char *at, *end; } Bytes;
static uint64_t varint(Bytes *in) { /* seven bits a byte, lowest first; a set top bit says that more follow */
  uint64_t value = 0;
  for (int shift = 0; in->at < in->end && shift < 64; shift += 7) {
    value |= (uint64_t)(*in->at & 127) << shift;
    if (!(*in->at++ & 128)) break;
  }
  return value;
}
/* Step over the next field: its number, or 0 at the end; `content` gets its bytes if it is a string or a message. */
static int next_field(Bytes *message, Bytes *content) {
  if (message->at >= message->end) return 0;
  uint64_t tag = varint(message), wire = tag & 7, size = wire == 1 ? 8 : wire == 5 ? 4 : 0;
  if (wire == 0) varint(message);
  if (wire == 2) size = varint(message);
  if (wire == 3 || wire == 4 || wire > 5 || size > (uint64_t)(message->end - message->at))
    fail("signature", "the MetaGraphDef is damaged");
  *content = (Bytes){message->at, message->at + size};
  message->at += size;
  return (int)(tag >> 3);
}
/* The value under `key` in the map that is field `map`. On the wire a map is a repeated {key = 1, value = 2}. */
static Bytes lookup(Bytes message, int map, const char *key) {
  Bytes entry, part;
  for (int field; (field = next_field(&message, &entry));) {
    Bytes parts[3] = {{0}};
    if (field != map) continue;
    for (int number; (number = next_field(&entry, &part));)
      if (number >= 1 && number <= 2) parts[number] = part;
    size_t size = (size_t)(parts[1].end - parts[1].at);
    if (size == strlen(key) && !memcmp(parts[1].at, key, size)) return parts[2];
  }
  fail(key, "not in this model; is it for another task, or for several labels a text?");
  return entry;
}
static TF_Output tensor(TF_Graph *graph, Bytes signature, int map, const char *key) {
  Bytes info = lookup(signature, map, key), name = {0};
  while (next_field(&info, &name) > 1) {}
  char operation[1024] = "", *colon; /* the name is OPERATION:INDEX */
  snprintf(operation, sizeof operation, "%.*s", (int)(name.end - name.at), (const char *)name.at);
  if ((colon = strrchr(operation, ':'))) *colon = '\0';
  TF_Output output = {TF_GraphOperationByName(graph, operation), colon ? atoi(colon + 1) : 0};
  if (!output.oper) fail(key, "its tensor is not in the graph");
  return output;
}

typedef struct { TF_Status *status; TF_Graph *graph; TF_Session *session; TF_Buffer *meta_graph; } Model;
static Model load(const char *folder) {
  const char *tags[] = {"serve"};
  Model model = {TF_NewStatus(), TF_NewGraph(), NULL, TF_NewBuffer()};
  TF_SessionOptions *options = TF_NewSessionOptions();
  model.session = TF_LoadSessionFromSavedModel(options, NULL, folder, tags, 1, model.graph, model.meta_graph, model.status);
  check(model.status, folder);
  TF_DeleteSessionOptions(options);
  return model;
}
static Bytes signature(const Model *model, const char *name) {
  const unsigned char *start = model->meta_graph->data;
  return lookup((Bytes){start, start + model->meta_graph->length}, 5, name);
}
/* All texts go in as one batch: string [count]. */
static TF_Tensor *strings(char **texts, int64_t count) {
  TF_Tensor *made = TF_AllocateTensor(TF_STRING, &count, 1, (size_t)count * sizeof(TF_TString));
  TF_TString *text = TF_TensorData(made);
  for (int64_t i = 0; i < count; i++) TF_StringInit(&text[i]), TF_StringCopy(&text[i], texts[i], strlen(texts[i]));
  return made;
}
/* Prints a string a line, and a number if there is a second answer; frees everything, also the texts that went in. */
static void print_and_close(Model *model, TF_Tensor *texts, TF_Tensor **answers, int64_t count) {
  const TF_TString *answer = TF_TensorData(answers[0]); /* string [count] */
  const float *number = answers[1] ? TF_TensorData(answers[1]) : NULL; /* float [count] */
  for (int64_t i = 0; i < count; i++, putchar('\n')) {
    printf("%.*s", (int)TF_StringGetSize(&answer[i]), TF_StringGetDataPointer(&answer[i]));
    if (number) printf("\t%.6f", number[i]);
  }
  TF_TString *text = texts ? TF_TensorData(texts) : NULL;
  for (int64_t i = 0; text && i < count; i++) TF_StringDealloc(&text[i]); /* long texts live outside their tensor */
  for (int i = 0; i < 2; i++) if (answers[i]) TF_DeleteTensor(answers[i]);
  if (texts) TF_DeleteTensor(texts);
  TF_CloseSession(model->session, model->status), TF_DeleteSession(model->session, model->status);
  TF_DeleteGraph(model->graph), TF_DeleteBuffer(model->meta_graph), TF_DeleteStatus(model->status);
}
