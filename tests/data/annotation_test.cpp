// GTF, GFF3 and BED genes: lines in the style of GENCODE, Ensembl and EPD, read by hand.
#include "data/formats/annotation.hpp"

#include <gtest/gtest.h>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

TEST(Annotation, Gtf_coordinatesAndNames_areReadAsWritten) {
  const InputFolder folder;
  const auto path = folder.write(
      "genes.gtf",
      "##description: evidence-based annotation\n"
      "chr1\tHAVANA\tgene\t11869\t14409\t.\t+\t.\tgene_id \"ENSG00000223972.5\"; gene_name "
      "\"DDX11L1\"; level 2;\n"
      "chr1\tHAVANA\ttranscript\t14404\t29570\t.\t-\t.\tgene_id \"G; with semicolon\"; "
      "transcript_id \"T1\"; note \"\";\n");
  AnnotationFile file(path);
  Feature feature;
  ASSERT_TRUE(file.next(feature));
  EXPECT_EQ(file.form(), AnnotationForm::gtf);
  EXPECT_EQ(feature.range, (Range{11868, 14409}));  // 1-based and closed: 2,541 bases
  EXPECT_EQ(feature.type, "gene");
  EXPECT_EQ(feature.gene_id, "ENSG00000223972.5");
  EXPECT_EQ(feature.gene_name, "DDX11L1");
  EXPECT_EQ(start_site_bp(feature), 11868);
  ASSERT_TRUE(file.next(feature));
  EXPECT_EQ(feature.gene_id, "G; with semicolon");
  EXPECT_EQ(feature.transcript_id, "T1");
  EXPECT_EQ(start_site_bp(feature), 29569);  // 29570, counted from 0
  EXPECT_EQ(feature.line, 3);
  EXPECT_FALSE(file.next(feature));
}

TEST(Annotation, Gff3_namesAndSequence_areUnderstood) {
  const InputFolder folder;
  const auto features = read_annotation(
      folder.write("genes.gff3",
                   "##gff-version 3\n"
                   "1\tensembl\tgene\t5\t5\t.\t-\t.\tID=gene:ENSG1;Name=A%3BB;gene_id=ENSG1\n"
                   "1\tensembl\tmRNA\t5\t9\t.\t+\t.\tID=transcript:ENST1;Parent=gene:ENSG1\n"
                   "1\tensembl\texon\t5\t9\t.\t?\t.\tID=exon:1\n"
                   "##FASTA\n>1\nACGT\n"));
  ASSERT_EQ(features.size(), 3U);
  EXPECT_EQ(features[0].range, (Range{4, 5}));
  EXPECT_EQ(features[0].gene_id, "ENSG1");
  EXPECT_EQ(features[0].gene_name, "A;B");
  EXPECT_EQ(start_site_bp(features[0]), 4);
  EXPECT_EQ(features[1].transcript_id, "transcript:ENST1");
  EXPECT_EQ(features[1].gene_id, "");
  EXPECT_EQ(features[2].strand, '.');
}

TEST(Annotation, Bed_ofSixAndTwelveColumns_isOneGenePerLine) {
  const InputFolder folder;
  const auto features = read_annotation(
      folder.write("genes.bed",
                   "track name=genes\n"
                   "chr1\t959255\t959256\tNOC2L_1\t1\t-\n"
                   "chr22\t1000\t5000\tcloneA\t960\t+\t1000\t5000\t0\t2\t567,488,\t0,3512\n"
                   "chr22\t1\t9\n"));
  ASSERT_EQ(features.size(), 3U);
  EXPECT_EQ(features[0].gene_name, "NOC2L_1");
  EXPECT_EQ(start_site_bp(features[0]), 959255);
  EXPECT_EQ(features[1].range, (Range{1000, 5000}));
  EXPECT_EQ(start_site_bp(features[1]), 1000);
  EXPECT_EQ(features[2].strand, '.');
  expect_error(core::ErrorKind::logic, {"strand"}, [&] { (void)start_site_bp(features[2]); });
}

TEST(Annotation, WrongLines_areErrorsWithFileAndLine) {
  const InputFolder folder;
  const std::string head = "c\ts\tgene\t1\t9\t.\t+\t.\t";
  const auto refused = [&](const std::string& text, const std::string& part) {
    const auto path = folder.write("bad.gtf", head + "gene_id \"g\";\n" + text);
    expect_input_error({"bad.gtf:2", part}, [&] { (void)read_annotation(path); });
  };
  refused("c\ts\tgene\t0\t9\t.\t+\t.\tgene_id \"g\";\n", "start 0 is outside");
  refused("c\ts\tgene\t9\t8\t.\t+\t.\tgene_id \"g\";\n", "start 9 is above end 8");
  refused("c\ts\tgene\tx\t8\t.\t+\t.\tgene_id \"g\";\n", "start 'x'");
  refused("c\ts\tgene\t1\t8\t.\tplus\t.\tgene_id \"g\";\n", "strand 'plus'");
  refused("c\ts\tgene\t1\t8\t.\t+\t.\n", "8 columns; GTF has 9");
  refused(head + "gene_id \"g;\n", "no end");
  refused(head + "gene_id;\n", "attribute 'gene_id' has no value");
  refused("\ts\tgene\t1\t8\t.\t+\t.\tgene_id \"g\";\n", "contig's name is empty");
  const auto bed = folder.write("bad.bed", "c\t1\t5\tn\t0\tplus\n");
  expect_input_error({"bad.bed:1", "strand 'plus'"}, [&] { (void)read_annotation(bed); });
}

}  // namespace
}  // namespace epi::data
