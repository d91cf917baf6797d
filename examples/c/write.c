/* Write a text for each text with an exported model: ./write models/NAME/saved_model/1 "first text" "second text"
   Prints one line a text: what the model writes, a tab, its log-probability. Needs TensorFlow's C library, no Python.
   A model whose tokens are subwords needs TensorFlow Text's operations, too; name their library first:
   ./write --library _sentencepiece_tokenizer.so models/NAME/saved_model/1 "first text" */
#include "signature.h"

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "--library")) {
    TF_Status *status = TF_NewStatus();
    TF_LoadLibrary(argv[2], status);
    check(status, argv[2]);
    TF_DeleteStatus(status);
    argc -= 2, argv += 2;
  }
  if (argc < 3) return fprintf(stderr, "usage: write [--library FILE] SAVED_MODEL_FOLDER TEXT...\n"), 2;
  Model model = load(argv[1]);
  Bytes serving = signature(&model, "serving_default");
  TF_Output input = tensor(model.graph, serving, 1, "source");
  TF_Output outputs[] = {tensor(model.graph, serving, 2, "target"), tensor(model.graph, serving, 2, "score")};
  TF_Tensor *texts = strings(argv + 2, argc - 2), *answers[2];
  TF_SessionRun(model.session, NULL, &input, &texts, 1, outputs, answers, 2, NULL, 0, NULL, model.status);
  check(model.status, "running the model");
  print_and_close(&model, texts, answers, argc - 2);
  return 0;
}
