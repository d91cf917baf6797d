import pytest

from kerasnlp_kit.data import find_columns, read_table
from kerasnlp_kit.errors import UserError


@pytest.fixture
def table(tmp_path):
    def table(*rows, header=None):
        path = tmp_path / "data.csv"
        lines = ([header] if header else []) + list(rows)
        path.write_text("".join(f"{line}\n" for line in lines))
        return read_table(path)

    return table


LONG = [
    "Shall we meet at the station,1,x,2020-01-01",
    "You have won a great prize,2,y,2020-01-02",
    "The train is late again today,3,x,2020-01-03",
    "Call this number right now,4,y,2020-01-04",
]


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        ("text,label", "text", "label"),
        ("Category,Message", "Message", "Category"),
        ("INTENT,utterance", "utterance", "INTENT"),
        ("评论,标签", "评论", "标签"),
        ("评论内容,情感标签", "评论内容", "情感标签"),
        ("title,text", "text", None),
        ("review_body,star_rating", "review_body", "star_rating"),
        ("text_id,text,label_text,label", "text", "label"),
        ("headline,topic", "headline", "topic"),
        ("tweetText,className", "tweetText", "className"),
        # A name says what it is about at its end.
        ("user_review,user_intent", "user_review", "user_intent"),
        ("review_id,title,year,user_review,user_suggestion", "user_review", None),
        ("author_comment,date_category", "author_comment", "date_category"),
        ("comment_author,created_at,number_of_words,user_name,body", "body", None),
        # The number of a label may be all that there is.
        ("text,label_id", "text", "label_id"),
        ("Class Index,Title,Description", "Description", "Class Index"),
        ("text,label_id,sentiment", "text", "sentiment"),
        # Part of a sure name goes before the whole of one that is often something else.
        ("id,text,lang,sentiment_label", "text", "sentiment_label"),
        ("source,review_text,label", "review_text", "label"),
        ("title,article_text,category", "article_text", "category"),
        ("stars,review_body,review_title,language", "review_body", "stars"),
        ("review_title,review_comment", "review_comment", None),
        ("question_title,genre", "question_title", "genre"),
        ("评论时间,评论人,评论详情,情感", "评论详情", "情感"),
        ("问题编号,问题描述,分类", "问题描述", "分类"),
        ("微博id,微博正文", "微博正文", None),
        ("文本,情感分数", "文本", "情感分数"),
        ("文本,类别编号", "文本", "类别编号"),
        ("文本,点赞数,类别", "文本", "类别"),
    ],
)
def test_usual_names_are_found_whatever_their_case(table, header, text, label):
    row = ",".join("abcdefg"[: header.count(",") + 1])
    found = find_columns(table(row, header=header), need_label=False)
    assert (found.text, found.label) == ((text,), label)
    assert "by name" in found.reason and not found.guessed


def test_columns_of_unusual_names_are_found_by_content_and_said_aloud(table):
    found = find_columns(table(*LONG, header="aa,bb,cc,dd"), need_label=True)
    assert (found.text, found.label) == (("aa",), "cc")
    assert found.guessed and "guessed" in found.reason and '"aa"' in found.reason and '"cc"' in found.reason


def test_the_only_column_is_no_guess(table):
    found = find_columns(table("How are you?", "Fine."), need_label=False)
    assert found.text == ("column_1",) and "the only column" in found.reason and not found.guessed


def test_columns_without_header_are_found_by_content(table):
    found = find_columns(table(*LONG))
    assert (found.text, found.label) == (("column_1",), "column_3")


def test_a_label_found_by_name_leaves_the_text_to_content(table):
    found = find_columns(table(*LONG, header="aa,id,class,when"))
    assert (found.text, found.label) == (("aa",), "class")


def test_columns_asked_for_are_taken_in_their_order(table):
    found = find_columns(table("a,b,x", header="title,text,label"), ["text", "title"], "label")
    assert (found.text, found.label) == (("text", "title"), "label") and "as asked" in found.reason


@pytest.mark.parametrize(
    ("header", "row", "text", "label", "words"),
    [
        ("text,label", "a,x", ["body"], None, ['"body"', "text, label"]),
        ("text,label", "a,x", [], "lable", ["lable", 'mean "label"']),
        ("text,label", "a,x", ["label"], "label", ["as text and as label"]),
        ("label,count", "x,1", [], None, ["no column of texts", "--text-column"]),
        ("text,id", "a,1", [], None, ["no label column", "--label-column"]),
        ("text", "hello", [], None, ["no label column"]),
    ],
)
def test_what_cannot_be_found_is_named(table, header, row, text, label, words):
    with pytest.raises(UserError) as caught:
        find_columns(table(row, header=header), text, label)
    for word in words:
        assert word in str(caught.value)


def test_a_mark_of_a_few_rows_is_no_class(table):
    rows = [f"sentence number {row} of all,{'abc'[row % 3]},{'x' if row % 10 == 0 else ''}" for row in range(40)]
    found = find_columns(table(*rows, header="Satz,Klasse,geprüft"))
    assert (found.text, found.label) == (("Satz",), "Klasse")


@pytest.mark.parametrize("date", ["2020-01-0{}", "{}:30", "202{}"])
def test_dates_are_labels_only_where_there_is_nothing_else(table, date):
    rows = [f"{date.format(row % 3)},the message number {row} of all,{'abcde'[row % 5]}" for row in range(40)]
    assert find_columns(table(*rows, header="Datum,Nachricht,Kategorie")).label == "Kategorie"
    rows = [row.rpartition(",")[0] for row in rows]
    assert find_columns(table(*rows, header="Datum,Nachricht")).label == "Datum"
    ages = [f"the message number {row} of all,{('18-24', '25-40')[row % 2]}" for row in range(40)]
    assert find_columns(table(*ages, header="Nachricht,Alter")).label == "Alter"
