/* Label texts with an exported model: ./label models/NAME/saved_model/1 "first text" "second text"
   Prints one line a text: the label, a tab, its probability. Needs TensorFlow's C library, no Python. */
#include "signature.h"

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "usage: %s SAVED_MODEL_FOLDER TEXT...\n", argv[0]), 2;
  Model model = load(argv[1]);
  Bytes serving = signature(&model, "serving_default");
  TF_Output input = tensor(model.graph, serving, 1, "text");
  TF_Output outputs[] = {tensor(model.graph, serving, 2, "label"), tensor(model.graph, serving, 2, "probability")};
  TF_Tensor *texts = strings(argv + 2, argc - 2), *answers[2];
  TF_SessionRun(model.session, NULL, &input, &texts, 1, outputs, answers, 2, NULL, 0, NULL, model.status);
  check(model.status, "running the model");
  print_and_close(&model, texts, answers, argc - 2);
  return 0;
}
