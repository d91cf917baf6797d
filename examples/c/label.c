/* Label texts with an exported model: ./label models/NAME/saved_model/1 "first text" "second text"
   Prints one line a text: the label, a tab, its probability. Needs TensorFlow's C library, no Python. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void fail(const char *what, const char *why) {
  fprintf(stderr, "label: %s: %s\n", what, why);
  exit(1);
}
static void check(const TF_Status *status, const char *what) { if (TF_GetCode(status)) fail(what, TF_Message(status)); }

/* The signature tells which tensors of the graph are "text", "label" and "probability"; their names change from export
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
      if (number <= 2) parts[number] = part;
    size_t size = (size_t)(parts[1].end - parts[1].at);
    if (size == strlen(key) && !memcmp(parts[1].at, key, size)) return parts[2];
  }
  fail(key, "not in this model; a classifier has signature serving_default: text -> label, probability");
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

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "usage: %s SAVED_MODEL_FOLDER TEXT...\n", argv[0]), 2;
  const char *tags[] = {"serve"};
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_Buffer *meta_graph = TF_NewBuffer();
  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, meta_graph, status);
  check(status, argv[1]);
  const unsigned char *start = meta_graph->data;
  Bytes signature = lookup((Bytes){start, start + meta_graph->length}, 5, "serving_default");
  TF_Output input = tensor(graph, signature, 1, "text");
  TF_Output outputs[] = {tensor(graph, signature, 2, "label"), tensor(graph, signature, 2, "probability")};

  int64_t count = argc - 2; /* all texts go in as one batch: string [count] */
  TF_Tensor *texts = TF_AllocateTensor(TF_STRING, &count, 1, (size_t)count * sizeof(TF_TString)), *answers[2];
  TF_TString *text = TF_TensorData(texts);
  for (int i = 0; i < count; i++) TF_StringInit(&text[i]), TF_StringCopy(&text[i], argv[i + 2], strlen(argv[i + 2]));
  TF_SessionRun(session, NULL, &input, &texts, 1, outputs, answers, 2, NULL, 0, NULL, status);
  check(status, "running the model");

  const TF_TString *label = TF_TensorData(answers[0]); /* string [count] */
  const float *probability = TF_TensorData(answers[1]); /* float [count] */
  for (int i = 0; i < count; i++)
    printf("%.*s\t%.6f\n", (int)TF_StringGetSize(&label[i]), TF_StringGetDataPointer(&label[i]), probability[i]);

  for (int i = 0; i < count; i++) TF_StringDealloc(&text[i]); /* long texts live outside their tensor */
  TF_DeleteTensor(texts), TF_DeleteTensor(answers[0]), TF_DeleteTensor(answers[1]);
  TF_CloseSession(session, status), TF_DeleteSession(session, status), TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph), TF_DeleteBuffer(meta_graph), TF_DeleteStatus(status);
  return 0;
}
